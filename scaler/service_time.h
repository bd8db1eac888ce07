/*
 * How long tasks take, by pool: what nodes tell of the handler time and the ends of all their tasks, from one status to
 * the next, with what is older counting less. That mean is over tasks of all types: after a thousand quick ones it says
 * nothing of a crowd of slow ones. So where all slots are in use and tasks wait, Little's law tells how long those take that are under way
 * now (J. D. C. Little 1961): slots in use over ends a second; what has run for so long without an end takes that long at
 * least. The longer of the two counts.
 */
#pragma once

#include "scaler/scaler.h"

/* A node's status came, or it left. */
void service_time_hear(struct scaler *s, const struct node_entry *n, bool left);
/* Seconds; 0: not known. Of the pool's view, once a tick, after that was filled. */
double service_time_of(struct pool *p);
/* Every tick: what is old counts less (half after some 30 s), down to a little, so that an idle pool remembers. */
void service_time_fade(struct scaler *s);
void service_time_free(void);
