/*
 * The rule of a task's retries, and the words of it that a publisher may write: Task-Backoff. Pure.
 */
#pragma once

#include "common/clock.h"

struct retry_rule {
	unsigned attempts; /* all of them, the first included */
	int64_t base_ns;   /* after the first failure */
	double factor;     /* more after each further one */
	int64_t max_ns;
};
#define RETRY_RULE_DEFAULT \
	((struct retry_rule){  \
		.attempts = 4, .base_ns = NS_PER_S, .factor = 2.0, .max_ns = 60 * NS_PER_S})

/*
 * Task-Backoff: "BASE[,FACTOR[,MAX]]", as "500ms", "1s,3", "1s,2,10m"; BASE "0" is at once.
 * What the text does not say stays as it is in *rule. ERR_INVALID leaves *rule as it was.
 */
MUST_CHECK int backoff_parse(const char *text, struct retry_rule *rule, struct err *e);

/* The FACTOR of it. */
MUST_CHECK int backoff_factor_parse(const char *text, double *ret, struct err *e);
