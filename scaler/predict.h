/*
 * When a task would begin, if it came now. Pure: c servers that are each busy for s seconds with a task, and so many that go before it:
 * it waits until `ahead - free + 1` of them have ended, c of which end in s seconds.
 */
#pragma once

#include "common/base.h"

struct predict_view {
	unsigned slots;        /* that serve its lane, of ready nodes */
	unsigned used;
	uint64_t ahead;        /* that wait and go before it: its class and those above */
	double service_s;      /* 0: not known */
	double arrival_above_per_s; /* of classes above its own, which go before it while it waits */
	double start_s;        /* until a node more is ready; 0: none would be started */
	unsigned slots_started; /* where there is none yet: what those that start will have */
};
/* Seconds; INFINITY: never, as things are. */
double predict_wait_s(const struct predict_view *v);
