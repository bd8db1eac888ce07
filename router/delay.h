/*
 * DELAYED: tasks that wait for a time. Into buckets of ten seconds, by
 * delay_put; out of them, by one shared consumer for each bucket that is due.
 */
#pragma once

#include "router/transit.h"

struct delay;
struct bucket;

struct delay *delay_new(struct router *r);
/* Looks for what is due, now and from now on. */
void delay_begin(struct delay *d);
void delay_free(struct delay **d);
/* Room came back, or the connection. */
void delay_poke(struct delay *d);

/* Takes the transit in hand: into the bucket of that time (wall ns), then recorded as SCHEDULED. */
void delay_put(struct transit *t, int64_t due_wall_ns);

/* For bucket.c: a bucket ended; it is freed. */
void delay_bucket_ended(struct delay *d, struct bucket *b);
/* How many more may be held in memory. */
unsigned delay_room(const struct delay *d);
