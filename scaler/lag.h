/*
 * What one lane's stream tells about its lag: how many wait, since when, and
 * how fast they come. Pure. A stream tells counts and sequences; ages come
 * from our own notes of when the last sequence was what.
 */
#pragma once

#include "common/base.h"

/* What STREAM.LIST and CONSUMER.LIST say of a lane. */
struct lag_state {
	uint64_t messages;      /* waiting and running */
	uint64_t last_seq;
	int64_t first_wall_ns;  /* when the oldest message was stored; 0: there is none */
	/* By its consumers, where they were asked: */
	bool asked;
	uint64_t pending;       /* not delivered */
	uint64_t unacked;       /* delivered, not acked: they run */
	uint64_t next_seq;      /* the first that was not delivered is this or later; 0: not known */
};

#define LAG_NOTES 64
struct lag {
	struct {
		uint64_t seq;
		double at_s;
	} notes[LAG_NOTES];     /* a ring, the oldest first from `from` */
	unsigned from, n;
	double arrival_per_s;   /* between the last two looks */
	uint64_t waiting;
	double oldest_s;        /* of those that wait; 0: none does */
	uint64_t running;
};

/* now_s: monotonic, growing from look to look. A stream that was made anew (sequences go back) begins anew. */
void lag_look(struct lag *l, const struct lag_state *s, double now_s, int64_t now_wall_ns);
