/*
 * A circuit breaker: whether one more call to a place that may be in trouble
 * makes sense. Pure: times are handed in, monotonic ns.
 *
 *              failures in a row, or their share
 *   CLOSED ─────────────────────────────────────▶ OPEN ◀─┐
 *      ▲                                            │    │ a probe failed
 *      │ all probes went well       open time over, │    │
 *      │                            somebody asks   ▼    │
 *      └──────────────────────────────────────── HALF_OPEN
 *
 * What was admitted in one phase and ends in a later one (a slow call that
 * fails when the breaker has opened and closed again) is not counted.
 */
#pragma once

#include "common/base.h"

#define BREAKER_SLICES 10

struct breaker_config {
	int64_t failures; /* so many in a row open it; 0: never by that */
	int64_t percent;  /* or this share of the calls within the window; 0: never by that */
	int64_t calls;    /* if there were at least so many */
	int64_t window_ns;
	int64_t open_ns;
	int64_t probes; /* at once while HALF_OPEN; as many successes close it */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
enum breaker_event { BREAKER_TRIPPED, BREAKER_RESTED, BREAKER_PROVED, BREAKER_FAILED_AGAIN };
enum breaker_outcome {
	BREAKER_OK,
	BREAKER_FAILED,
	BREAKER_UNKNOWN, /* it was given up for reasons of ours: says nothing */
};

struct breaker {
	struct breaker_config config;
	enum breaker_state state;
	unsigned phase; /* grows with each change of state */
	int64_t failures_in_a_row;
	struct breaker_slice {
		int64_t number; /* of the slice of time; what is old counts as empty */
		uint32_t calls, failed;
	} slices[BREAKER_SLICES];
	int64_t opened_ns;
	int64_t probing, proved;
};

void breaker_init(struct breaker *b, const struct breaker_config *config);
/*
 * Whether a call may be made now. true: *ret_ticket is for breaker_report, which must follow.
 * false: *ret_wait_ns is how long to leave it alone, > 0.
 */
bool breaker_admit(struct breaker *b, int64_t now_ns, unsigned *ret_ticket, int64_t *ret_wait_ns);
/* How it ended. Returns whether the state changed by it. */
bool breaker_report(struct breaker *b, int64_t now_ns, unsigned ticket, enum breaker_outcome how);

/* The table: where an event leads. BREAKER_IMPOSSIBLE: it cannot happen in that state. */
#define BREAKER_IMPOSSIBLE (-1)
int breaker_next(enum breaker_state from, enum breaker_event event);
const char *breaker_state_name(enum breaker_state s);
