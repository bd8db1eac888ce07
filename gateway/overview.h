/* The numbers at the top of the page, and a second of its charts. Pure: samples in, JSON out. */
#pragma once

#include <jansson.h>

#include "common/rates.h"

#define OVERVIEW_RATE_MS 3000        /* rates are of so long */
#define OVERVIEW_PERCENTILE_MS 10000 /* percentiles too */
#define OVERVIEW_STATS_MAX 8

/* How the rows grew, for what ended: nodes of other make are in no counter, but in the rows. */
struct overview_ends {
	struct {
		int64_t at_ms;
		uint64_t completed;
	} at[OVERVIEW_STATS_MAX];
	size_t n;
};
/* total: of api.task.stats. */
void overview_note_stats(struct overview_ends *ends, const json_t *total, int64_t now_ms);

/* Each may be NULL: not known. */
struct overview_input {
	const struct rates *rates;
	const struct overview_ends *ends;
	const json_t *stats;                 /* of api.task.stats */
	const json_t *lanes, *nodes, *pools; /* lists */
	int64_t dead_letters;                /* in DEAD; -1: not known */
	double target_s;                     /* sla: the share of waits under it */
};
/* Both return owned JSON, null where something is not known. */
json_t *overview_json(const struct overview_input *in);
json_t *overview_point(const struct overview_input *in, int64_t unix_s);
