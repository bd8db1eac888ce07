/*
 * One leader among many scalers, by a lease: the key `leader.scaler` of the
 * bucket `leases`, put again three times within its time. Its epoch, the
 * revision of a leadership's first put, only grows, and stands in everything a
 * leader does.
 *
 *	            nobody leads, or was silent for the lease's time
 *	FOLLOWING ──────────────── put (compare-and-set) ──────────▶ LEADING
 *	    ▲                                                           │
 *	    └─── somebody was faster; our last put is older than ───────┘
 *	         the lease less a margin; the end
 */
#pragma once

#include "common/bus.h"

struct lead;
struct lead_events {
	void (*on_change)(void *data, bool leading);
	void *data;
};
/* name: shown to people. instance: nobody else's. */
struct lead *lead_new(struct bus *bus, const char *name, const char *instance, int64_t lease_ms,
					  const struct lead_events *ev);
/* Begins to ask; call once the buckets are there. */
void lead_begin(struct lead *l);
/*
 * Whether we lead now, by the monotonic clock: a leader that was stopped and wakes finds out here, before it acts.
 * Ask before every act.
 */
bool lead_holds(struct lead *l);
uint64_t lead_epoch(const struct lead *l); /* of our leadership; 0: never led */
/* Who leads, as far as is known: "" nobody. */
const char *lead_who(const struct lead *l);
/* Another scaler has the lease, as far as is known. */
bool lead_is_anothers(const struct lead *l);
/* Lets go, so that another needs not wait; the bus should still be up. */
void lead_end(struct lead *l);
void lead_free(struct lead **l);
