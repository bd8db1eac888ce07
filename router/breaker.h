/*
 * The breakers: a wave of the same failure pauses its lane instead of burning
 * everybody's retries. The states and what is written: breaker_rule.h.
 */
#pragma once

#include "router/router.h"

struct breakers;

struct breaker_failure {
	const struct lane *lane;
	const char *fingerprint;
	const char *error;
	uint32_t seed; /* spreads those that wait */
	bool retried;  /* it would be tried again: counts towards a wave */
};
/*
 * A failed attempt. True: its lane's breaker is open for that failure, and nothing is to be spent:
 * the task waits until *ret_wall_ns.
 */
bool breakers_failed(struct breakers *bs, const struct breaker_failure *f, int64_t *ret_wall_ns);

struct breakers *breakers_new(struct router *r);
/* Watches the settings, listens to the other routers. */
MUST_CHECK int breakers_open(struct breakers *bs, struct err *e);
/* Before the bus closes. */
void breakers_stop(struct breakers *bs);
void breakers_free(struct breakers **bs);
