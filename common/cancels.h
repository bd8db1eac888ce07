/*
 * The bucket `cancels` as every component keeps it: a watch and a table.
 * Bounded: CANCELS_MAX markers of tasks, CANCELS_GROUPS_MAX of groups. The
 * store refuses to put more; what a stranger puts beyond is not kept, and said.
 */
#pragma once

#include <uthash.h>

#include "common/jetstream.h"
#include "common/marker.h"

#define CANCELS_MAX 100000u
#define CANCELS_GROUPS_MAX 100u

struct cancels;

/* A marker of one task, as short as it can be: there may be many. */
struct cancel_entry {
	UT_hash_handle hh;
	int64_t stored_wall_ns;
	int64_t seen_mono_ms;   /* when we were told of it first */
	int64_t looked_mono_ms; /* the owner's own: when it last saw to it */
	struct marker *whole;   /* of MARKER_MOVE and MARKER_GROUP */
	unsigned listing;       /* that told it last */
	bool early;
	char key[]; /* "task.<id>" */
};

struct cancels_events {
	/* All that was there at the start has been told; again after each reconnect. NULL-able. */
	void (*on_known)(void *data);
	/* A new marker, or one told again. NULL-able. Borrowed for the call. */
	void (*on_marker)(void *data, const struct marker *m);
	void *data;
};

MUST_CHECK int cancels_open(struct bus *bus, const struct cancels_events *ev, struct cancels **ret,
							struct err *e);
/* NULL is fine. */
void cancels_close(struct cancels **c);
bool cancels_known(const struct cancels *c);

/* Whether it is to be cancelled. Costs nothing while there are no markers. */
bool cancels_meant(const struct cancels *c, const struct marked_task *t);
/* Where it is not to run, or is to run alone; NULL: wherever. Borrowed until the next turn. */
const struct marker *cancels_move(const struct cancels *c, const char *id);

/* All of them, in uthash's order of insertion; for the one who sweeps. */
struct cancel_entry *cancels_first(const struct cancels *c);
struct cancel_entry *cancels_groups(const struct cancels *c);
struct cancel_entry *cancels_find(const struct cancels *c, const char *key);
size_t cancels_count(const struct cancels *c);
size_t cancels_group_count(const struct cancels *c);
/* The marker that an entry is. */
void cancels_marker(const struct cancel_entry *x, struct marker *ret);
/* A key that was deleted: its last message can be removed from the bucket. */
struct cancel_tombstone {
	char key[MARKER_KEY_MAX + 1];
	uint64_t revision;
};
/* Those of a while ago, forgotten thereby; returns how many. */
size_t cancels_tombstones(struct cancels *c, struct cancel_tombstone *ret, size_t max);
