/*
 * How well the promise is kept: which share of the tasks that ended lately was completed within
 * the target, and which share died. Counters of processes that come and go are made one that only
 * grows. Pure but for memory.
 */
#pragma once

#include "gateway/exposition.h"

#define SLA_POINTS 64

struct sla_source;

struct sla_totals {
	double completed, met, dead; /* met: of the completed, those within the target */
};

struct sla {
	double target_s;
	int64_t window_ms;
	struct sla_source *sources;
	struct sla_totals totals; /* since the first look */
	struct {
		int64_t at_ms;
		struct sla_totals totals;
	} points[SLA_POINTS];
	size_t npoints;
};

void sla_release(struct sla *s);
/*
 * What an exposition tells: tasks that nodes completed (millrace_node_completion_seconds) and stores
 * recorded as dead. What a process did before it was seen first does not count.
 */
void sla_take(struct sla *s, const struct exposition *x, int64_t now_mono_ms);
/*
 * Over the window that ends now (from the first look on, where that is later). Dead tasks missed the target; cancelled ones
 * count nowhere. NaN: nothing ended.
 */
double sla_compliance(const struct sla *s, int64_t now_mono_ms);
double sla_errors(const struct sla *s, int64_t now_mono_ms);
