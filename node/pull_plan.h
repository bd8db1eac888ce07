/*
 * Which consumers are asked for how much, now. A function of values.
 *
 * Two kinds of asking. A consumer that is known to have work (hinted: the
 * last delivery told of more, or its lane was woken) is asked no_wait, high
 * before normal before low, the lanes of one class sharing evenly; one refill
 * in PULL_FROM_BELOW begins with low, so that nothing starves. What hinted
 * consumers leave is parked: long polls on consumers that are thought to be
 * empty, so that a task finds a request already there; at most about half of
 * the slots that aren't running, spread evenly: one half of that over those
 * that delivered lately, one over the others.
 * Parked credits can't be called back before they expire: the other half is
 * the reserve for what is known. Consumers that got neither are found by
 * their lane's wake or by the sweep, which set the hint.
 */
#pragma once

#include "common/token.h"

#define PULL_FROM_BELOW 8u
#define PULL_RECENT_MS 10000

/* One consumer (lane × class). */
struct pull_source {
	enum task_class class;
	unsigned group;    /* index of its type's own limit; 0: none */
	unsigned lane_group; /* index of its lane's; 0: none */
	unsigned credits;  /* outstanding; while > 0 it can't be asked */
	bool parked;       /* what is outstanding is a long poll */
	bool closed;       /* not to be asked: paused, gone, waiting after a fault */
	bool hinted;       /* has work, as far as we know */
	uint64_t pending;  /* how much, where hinted; 0: unknown */
	int64_t active_ms; /* when it last delivered; 0: never */
};

/* The limit that several consumers share, as a type's concurrency. The first is the one without a
 * limit. */
struct pull_group {
	unsigned limit; /* 0: none */
	unsigned running;
	unsigned asked; /* credits outstanding, parked ones included */
	unsigned parked;
	bool free;    /* nobody's, for puller_lanes.c */
	bool metered; /* a lane's: limit is what all nodes together leave to us, and nothing is parked */
	unsigned held; /* of those running, what only waits here for its turn; direct.h */
	bool shut;     /* nobody is there to begin one now: nothing is asked, whatever the limit */
};

struct pull_room {
	unsigned free; /* credits that may be given out */
	unsigned idle; /* slots that aren't running: free ones and credits that are out */
	size_t bytes_free;
	size_t message_max; /* the largest message there can be */
	int64_t now_ms;
	uint64_t turn; /* grows with every no_wait request that brought something: rotates, begins from
					  below */
};

struct pull_ask {
	size_t source;
	unsigned batch;
	bool park;
	size_t max_bytes;
};

/*
 * Fills ret (room for n) and returns how many. What is granted is booked in groups[].asked and
 * .parked; sources are left to the caller. The sum of batches never exceeds room->free.
 */
size_t pull_plan(const struct pull_room *room, const struct pull_source *sources, size_t n,
				 struct pull_group *groups, struct pull_ask *ret);
