/*
 * The lanes: which there are, which are paused, and the making of new ones.
 * What the bucket `lanes` says is believed, until a publish to a lane fails.
 */
#pragma once

#include <uthash.h>

#include "common/lane_setting.h"
#include "common/placement.h"
#include "router/router.h"

struct transit;

/*
 *   ABSENT --first task--> MAKING --stream, consumers, key--> READY
 *     ^                      |  ^                               |
 *     +------ refused -------+  +------ no stream there --------+
 *     +------------------- key deleted -------------------------+
 */
enum lane_state { LANE_ABSENT, LANE_MAKING, LANE_READY };

struct lane_entry {
	struct lane lane;
	char subject[CLASS_COUNT][LANE_MAX + 16]; /* "work.<lane>.<class>" */
	enum lane_state state;
	enum balance balance;     /* of tasks that don't say */
	struct lane_nodes *nodes; /* place.h */
	struct lane_setting set; /* what operators set */
	struct timeout until;    /* the end of its pause */
	uint64_t depth;          /* messages that it is made to hold; lane_limit.h */
	struct timeout lowering; /* it may not hold fewer yet */
	struct purge *purge;     /* under way here */
	struct transit *waiting; /* for the lane to be READY */
	size_t nwaiting, waiting_bytes;
	unsigned refs;         /* transits, makers and wakes that point here */
	int64_t again_mono_ms; /* after a refusal: not made anew before then */
	int64_t woken_mono_ms; /* wake.h */
	bool wake_pending;
	struct lane_entry *wprev, *wnext;
	struct lanes *lanes;
	struct router *router;
	UT_hash_handle hh;
};

MUST_CHECK int lanes_new(struct router *r, struct lanes **ret, struct err *e);
/* Starts watching `lanes` and `settings`. */
MUST_CHECK int lanes_watch(struct lanes *ls, struct err *e);
/* The broker is back: what waits to be made is made. */
void lanes_poke(struct lanes *ls);
/* The router is open: purges that were under way go on. */
void lanes_go_on(struct lanes *ls);
/* TASKS has so many copies; lanes that are made get as many. */
void lanes_replicas(struct lanes *ls, int64_t n);
bool lanes_known(const struct lanes *ls); /* both buckets were told whole */
/* Ends the watches; before the bus closes. */
void lanes_stop(struct lanes *ls);
void lanes_free(struct lanes **ls);

/* Returns a reference. ERR_FULL: there are as many lanes as may be. */
MUST_CHECK int lanes_get(struct lanes *ls, const struct lane *lane, struct lane_entry **ret,
						 struct err *e);
/* NULL: never heard of it. Borrowed. */
struct lane_entry *lanes_find(struct lanes *ls, const char *name);
struct lane_entry *lanes_first(struct lanes *ls); /* then ->hh.next */
void lane_ref(struct lane_entry *l);
void lane_unref(struct lane_entry **l);

/* t waits until the lane is READY, then goes to dispatch_to_lane; or to dispatch_defer where it
 * can't be made. */
void lane_await(struct lane_entry *l, struct transit *t);
/* A publish found no stream: the lane is made anew. */
void lane_lost(struct lane_entry *l);
