/*
 * How much a node may still take: executions, outcomes that wait for their
 * acknowledgement, and bytes of bodies and results in memory. Pure counting.
 *
 * A delivery's life here: asked (a credit is out) → running → unsettled (its
 * outcome waits) → gone. The invariant: asked + running <= total, and asked +
 * running + unsettled <= total + SLOTS_UNSETTLED_MAX, unless the broker
 * delivers what was not asked for.
 */
#pragma once

#include "common/base.h"

/* Where outcomes can't leave (EVENTS is full), this many wait beyond the slots before pulling
 * stops. */
#define SLOTS_UNSETTLED_MAX 4096u

struct slots {
	unsigned total;
	unsigned asked;
	unsigned running;
	unsigned unsettled;
	size_t bytes_max; /* of bodies and results; one more message each way is tolerated */
	size_t bytes_held;
	size_t bytes_asked; /* max_bytes of outstanding requests */
};

/* Credits that may be given out now. */
unsigned slots_free(const struct slots *s);
/* Bytes that may be asked for now. */
size_t slots_bytes_free(const struct slots *s);
/* Nothing runs, waits or is still to come. */
bool slots_idle(const struct slots *s);

void slots_ask(struct slots *s, unsigned credits, size_t max_bytes);
/* A request ended with that many credits unused; max_bytes as when it was asked. */
void slots_ask_ended(struct slots *s, unsigned credits_left, size_t max_bytes);
/* A message came; credited: it was one of the credits. It is running now. */
void slots_begin(struct slots *s, bool credited, size_t body_bytes);
/* A message came and is not kept (handed back). */
void slots_decline(struct slots *s, bool credited);
/* The handler is done; its result is held beside the body. */
void slots_finish(struct slots *s, size_t result_bytes);
/* Bytes beside the body that an execution holds; given back by slots_forget_result. */
void slots_hold(struct slots *s, size_t bytes);
/* The result is not kept after all. */
void slots_forget_result(struct slots *s, size_t result_bytes);
/* The outcome is acknowledged, body and result are freed. */
void slots_settle(struct slots *s, size_t body_and_result_bytes);
