/*
 * Many timeouts on one uv timer: starting and stopping one is a heap step,
 * nothing is allocated for it, and it needs no closing. Monotonic milliseconds.
 */
#pragma once

#include <uv.h>

#include "common/base.h"

struct timeouts; /* one a bus; see bus_timeouts */

struct timeout {
	struct timeouts *all;
	void (*fn)(struct timeout *t);
	int64_t due_ms;
	size_t at; /* in the heap, from 1; 0: not running */
};

struct timeouts *timeouts_new(uv_loop_t *loop);
void timeouts_free(struct timeouts *all); /* those that run are forgotten */

void timeout_init(struct timeout *t, struct timeouts *all);
/* Runs fn once, after_ms from now, never before this returned. Restarts one that runs. */
void timeout_start(struct timeout *t, int64_t after_ms, void (*fn)(struct timeout *t));
void timeout_stop(struct timeout *t);
bool timeout_running(const struct timeout *t);
