/* The nodes' own words as figures of health: hosts and nodes, with what happened within a window. */
#pragma once

#include "common/roster.h"
#include "scaler/heal_check.h"

struct heal_observer;
struct heal_observer *heal_observer_new(int64_t window_ms);
/*
 * Looks at the roster: v's nodes and hosts are then the observer's, until the next look. local: this host as we measured
 * it ourselves, which counts in place of what its nodes say.
 */
void heal_observe(struct heal_observer *o, const struct roster *r, const struct heal_host *local,
				  int64_t now_mono_ms, struct heal_view *v);
void heal_observer_free(struct heal_observer **o); /* NULL is fine */

/* Counters that only grow, as a difference over the last one to two windows. Pure. */
struct heal_window {
	char instance[64];
	uint64_t base[2],
		next[2]; /* done, failed: at the begin of the window, and of the one that follows it */
	uint64_t before[2]; /* of instances that ended within the window */
	uint64_t before_next[2];
	unsigned restarts, restarts_next;
	int64_t turned_mono_ms;
};
void heal_window_put(struct heal_window *w, const char *instance, uint64_t done, uint64_t failed,
					 int64_t now_mono_ms, int64_t window_ms, uint64_t ret[2],
					 unsigned *ret_restarts);
