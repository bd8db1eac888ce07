/*
 * What the components' counters say between two looks: rates a second, and percentiles of the
 * last moments. Pure: answers of ctl.metrics go in with their moment.
 *
 *	rates_answer(r, component, instance, part, parts, text, len) … for each answer, then rates_look(r, now_ms)
 */
#pragma once

#include "common/base.h"

enum rates_count {
	RATES_SUBMITTED,
	RATES_STARTED,
	RATES_COMPLETED,
	RATES_FAILED,
	RATES_RETRIED,
	RATES_DEAD,
	RATES_COUNTS,
};

#define RATES_BUCKETS 24 /* of a histogram, the last one without bound */
struct rates_histogram {
	double upto_s[RATES_BUCKETS]; /* ascending; INFINITY last */
	double n[RATES_BUCKETS];      /* observed in that bucket alone */
	size_t buckets;
};

enum rates_role { RATES_ROUTER, RATES_STORE, RATES_NODE, RATES_SCALER, RATES_GATEWAY, RATES_ROLES };

struct rates;
struct rates *rates_new(void);
void rates_free(struct rates *r);

/*
 * One answer, or a part of it (1 to parts, in order, cut between lines), as headers Millrace-Component ("node"),
 * Millrace-Instance and Millrace-Part tell. The same instance again replaces what it said, once it is whole. More than
 * RATES_SOURCES_MAX, and longer names than RATES_ID_MAX, are not taken.
 */
#define RATES_SOURCES_MAX 4096
#define RATES_ID_MAX 128
void rates_answer(struct rates *r, const char *component, const char *instance, unsigned part,
				  unsigned parts, const char *text, size_t len);
/* Whoever answered in the round before has answered in this one, and somebody has. */
bool rates_answered_all(const struct rates *r);
/*
 * All that will come of this round has come. A counter that is new counts from now on; one whose
 * component did not answer stands still, and is forgotten after RATES_SILENT_ROUNDS.
 */
#define RATES_SILENT_ROUNDS 5
void rates_look(struct rates *r, int64_t now_ms);
/* Looks that are kept. After a pause in looking: rates_free and rates_new. */
size_t rates_looks(const struct rates *r);

#define RATES_LOOKS 64
/* By how much it grew since the look before, or the youngest that is at least window_ms old; NaN before the second look. */
double rates_growth(const struct rates *r, enum rates_count c, int64_t window_ms);
/* The same a second. */
double rates_per_s(const struct rates *r, enum rates_count c, int64_t window_ms);
/* NaN where nothing was observed in the window. Of the buckets, interpolated. */
double rates_wait_ms(const struct rates *r, double fraction, int64_t window_ms);
double rates_run_ms(const struct rates *r, double fraction, int64_t window_ms);
/* Share of the window's tasks that waited at most so long (a bucket's bound); NaN where there were none. */
double rates_wait_within(const struct rates *r, double seconds, int64_t window_ms);
/* Who answered in the round before, or was silent for fewer than RATES_SILENT_ROUNDS. */
unsigned rates_components(const struct rates *r, enum rates_role role);
/* Gauges of those who answered; NaN where nobody has it. */
double rates_database_up(
	const struct rates *r); /* the least one: a store that has lost its database counts */
double rates_shed_level(const struct rates *r);
double rates_store_lag(const struct rates *r);
double
rates_drift(const struct rates *r); /* the sum over the lanes, of the store that tells most */
