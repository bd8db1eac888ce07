/*
 * When a task is tried again, and when no more. Pure: no clock, no bus, and
 * the jitter comes from the task's own id, so that a redelivered message is
 * decided in the same way again.
 */
#pragma once

#include "common/backoff.h"

/* A number that is the same for the same task and attempt, for the jitter. */
uint32_t policy_seed(const char *task_id, unsigned attempt);

enum policy_verdict {
	POLICY_RETRY, /* another attempt, after delay_ns */
	POLICY_DEFER, /* the same attempt again, after delay_ns */
	POLICY_BURY,  /* no more */
};
struct policy_decision {
	enum policy_verdict verdict;
	int64_t delay_ns;
};

/* How an attempt ended, as its events.act message tells. */
struct failed_attempt {
	unsigned attempt;
	unsigned deferrals;
	bool returned;          /* nothing was spent: no responders, draining, no handler here */
	bool permanent;         /* retrying cannot help */
	bool poison;            /* too many deliveries: it kills whoever takes it */
	int64_t retry_after_ns; /* asked for by the handler; 0: not */
	uint32_t seed;
};
struct policy_decision policy_after_failure(const struct retry_rule *rule,
											const struct failed_attempt *f);

/* The wait before a task that could not be placed is tried again: grows with deferrals, ±20 % by
 * seed. */
int64_t policy_deferral_ns(unsigned deferrals, uint32_t seed);

#define BUCKET_S 10
/* Nothing is put into a bucket that is nearer to its end. */
#define BUCKET_LEAD_NS NS_PER_S
/* The bucket of DELAYED for a task that is due then; never one that is past or about to be. */
int64_t policy_bucket(int64_t due_wall_ns, int64_t now_wall_ns);
