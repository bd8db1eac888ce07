/*
 * Inside the policy: Erlang's C formula turned round. Pure.
 */
#pragma once

#include "scaler/policy.h"

/* Of which the promise speaks. */
#define POLICY_SHARE 0.95
/* The formula is computed for at most so many servers; far below it waits have vanished wherever there are more servers than load. */
#define POLICY_SERVERS_MAX 100000u

/* The fewest nodes of so many slots with which a share of POLICY_SHARE waits at most promise_s. At least 1. */
unsigned policy_wait_nodes(double arrival_per_s, double service_s, double promise_s,
						   unsigned slots);
/* A number of nodes from an amount: rounded up, bounded, so that no figure however wild overflows. */
unsigned policy_ceil(double nodes);
