/*
 * A time zone: which offset from UTC holds when. Pure: the bytes of a file of
 * the tz database in, spans of constant offset out. zones.h reads the files.
 */
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "router/zone_rule.h"

struct zone {
	struct zone_change *changes; /* by time; owned */
	size_t n;
	int32_t first_offset_s; /* before the first change */
	struct zone_rule rule;  /* after the last one, where the file has one */
	bool has_rule;
};

/* A TZif file (RFC 8536), any version. ERR_INVALID says what is wrong with it. */
MUST_CHECK int zone_parse(const void *data, size_t len, struct zone *ret, struct err *e);
void zone_release(struct zone *z);

/* From begin on, before end: local time is UTC + offset. */
struct zone_span {
	int64_t begin_s, end_s; /* INT64_MIN, INT64_MAX: open */
	int32_t offset_s;
};
/* The span that holds t_s. A zeroed zone is UTC. */
struct zone_span zone_span_at(const struct zone *z, int64_t t_s);
