/*
 * The metrics of many processes as one text: each family with its HELP and TYPE once and all its
 * series together, each series with the labels component and instance. Pure but for memory.
 *
 * What is broken is left out and counted, line by line: a line that is none, a series that was there
 * already, a sample that does not fit its family's type. Everything is bounded.
 */
#pragma once

#include "common/buf.h"
#include "gateway/exposition_line.h"

#define EXPOSITION_NAME_MAX 128
#define EXPOSITION_BYTES_MAX ((size_t)64 << 20) /* of all texts */
#define EXPOSITION_SAMPLES_MAX ((size_t)1000000)
#define EXPOSITION_FAMILIES_MAX 4000u
#define EXPOSITION_INSTANCES_MAX 4000u

struct exposition;

/* Whether it may be a component's or instance's: letters, digits, "_", "-", ".", ":". */
bool exposition_name_ok(const char *s);

struct exposition *exposition_new(void);
void exposition_free(struct exposition *x); /* NULL is fine */

/*
 * An error leaves the text out as a whole: ERR_INVALID for a name that is none, ERR_EXISTS for an
 * instance that was added, ERR_TOO_LARGE over a limit.
 */
MUST_CHECK int exposition_add(struct exposition *x, const char *component, const char *instance,
							  const char *text, size_t len, struct err *e);

struct exposition_stats {
	size_t instances, samples, bytes;
	size_t broken;  /* lines left out */
	size_t dropped; /* samples and families over a limit */
};
struct exposition_stats exposition_stats(const struct exposition *x);

struct exposition_sample {
	const char *component, *instance;
	const char *suffix; /* "", "_bucket", "_sum", "_count" */
	struct exposition_text labels;
	double value;
};
/* Each sample of a family, an instance's together and in its order. */
void exposition_each(const struct exposition *x, const char *family,
					 void (*fn)(void *data, const struct exposition_sample *s), void *data);

void exposition_render(const struct exposition *x, struct buf *out);

/* "name{component=…,instance=…,labels} " for a value to follow; labels "" for none. */
void exposition_begin(struct buf *out, const char *name, const char *component,
					  const char *instance, const char *labels);
