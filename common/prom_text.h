/* Prometheus text as components answer it: its samples, one by one. Pure. */
#pragma once

#include "common/base.h"

struct prom_sample {
	const char *name; /* not terminated: name_len bytes of the text */
	size_t name_len;
	const char *labels; /* what stands between the braces; labels_len 0: nothing */
	size_t labels_len;
	double value;
};

/*
 * The next sample at *io_at (a place in text, which ends at end), which it moves on; false at the
 * end. Comments and lines that are no sample are passed over.
 */
bool prom_next(const char **io_at, const char *end, struct prom_sample *ret);
bool prom_is(const struct prom_sample *s, const char *name);
/* The value of a label, as it stands there (escapes and all); NULL where it has none of that name. */
const char *prom_label(const struct prom_sample *s, const char *label, size_t *ret_len);
