/*
 * One line of Prometheus' text format (0.0.4), read strictly: what a strict reader behind us would
 * stumble over is no line here. Pure; what is read points into the line.
 */
#pragma once

#include "common/err.h"

#define EXPOSITION_LINE_MAX 16384
#define EXPOSITION_LABELS_MAX 32

struct exposition_text {
	const char *at;
	size_t len;
};
bool exposition_text_is(struct exposition_text t, const char *s);

enum exposition_kind {
	EXPOSITION_UNTYPED,
	EXPOSITION_COUNTER,
	EXPOSITION_GAUGE,
	EXPOSITION_HISTOGRAM,
	EXPOSITION_SUMMARY
};
const char *exposition_kind_name(enum exposition_kind kind);

struct exposition_line {
	enum { LINE_NOTHING, LINE_HELP, LINE_TYPE, LINE_SAMPLE, LINE_BROKEN } what;
	struct exposition_text name;   /* of the family, or of the sample with its suffix */
	struct exposition_text text;   /* LINE_HELP's */
	enum exposition_kind kind;     /* LINE_TYPE's */
	struct exposition_text labels; /* what stands between the braces, without a last comma */
	struct exposition_text value;
	bool has_le;     /* among the labels */
	uint64_t series; /* the same for the same name and labels, in whatever order */
};

/* line: without its line break. A timestamp is left out. */
void exposition_line_read(const char *line, size_t len, struct exposition_line *ret);

/* The value of a label as it is written; false: there is none of that name. */
bool exposition_label(struct exposition_text labels, const char *name, struct exposition_text *ret);
