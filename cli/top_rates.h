/*
 * What the components' counters say between two looks: rates a second, and percentiles of the
 * last moments. Pure: answers of ctl.metrics go in with their moment.
 *
 *	top_rates_answer(r, id, text, len) … for each answer, then top_rates_look(r, now_ms)
 */
#pragma once

#include "common/base.h"

enum top_count {
	TOP_SUBMITTED,
	TOP_STARTED,
	TOP_COMPLETED,
	TOP_FAILED,
	TOP_RETRIED,
	TOP_DEAD,
	TOP_COUNTS,
};

#define TOP_BUCKETS 24 /* of a histogram, the last one without bound */
struct top_histogram {
	double upto_s[TOP_BUCKETS]; /* ascending; INFINITY last */
	double n[TOP_BUCKETS];      /* observed in that bucket alone */
	size_t buckets;
};

enum top_role { TOP_ROUTER, TOP_STORE, TOP_NODE, TOP_SCALER, TOP_GATEWAY, TOP_ROLES };

struct top_rates;
struct top_rates *top_rates_new(void);
void top_rates_free(struct top_rates *r);

/*
 * One answer. service: its name ("millrace-node"), id: of that start of it; the same id again replaces what it said.
 * Either may be NULL (an older component): all of these are one, and their counters are added up.
 */
void top_rates_answer(struct top_rates *r, const char *service, const char *id, const char *text,
					  size_t len);
/*
 * All that will come of this round has come. A counter that is new counts from now on; one whose
 * component did not answer stands still, and is forgotten after TOP_SILENT_ROUNDS.
 */
#define TOP_SILENT_ROUNDS 5
void top_rates_look(struct top_rates *r, int64_t now_ms);

/* A second, since the look before; NaN before the second look. */
double top_rate(const struct top_rates *r, enum top_count c);
/* Of the last TOP_WINDOW_MS (less at the beginning); NaN where nothing was observed. Of the buckets, interpolated. */
#define TOP_WINDOW_MS 10000
double top_wait_ms(const struct top_rates *r, double fraction);
double top_run_ms(const struct top_rates *r, double fraction);
/* Share of the window's tasks that waited at most so long (a bucket's bound); NaN where there were none. */
double top_wait_within(const struct top_rates *r, double seconds);
/* Who answered in the round before. */
unsigned top_components(const struct top_rates *r, enum top_role role);
/* The greatest value of a gauge among those who answered; NaN where nobody has it. */
double top_database_up(
	const struct top_rates *r); /* the least one: a store that has lost its database counts */
double top_shed_level(const struct top_rates *r);
double top_store_lag(const struct top_rates *r);
