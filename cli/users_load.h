/* Users who submit over HTTP, wait for the result, think, and submit again. */
#pragma once

#include "cli/cli.h"
#include "cli/users_plan.h"

struct users_spec {
	const char *url;   /* of the gateway, without a slash at its end */
	const char *token; /* bearer, or NULL */
	struct users_scenario scenario;
	int64_t think_ns;
};

/*
 * Runs one scenario to its end, and then until the system has recovered. Words about its progress go to stderr.
 * ERR_UNREACHABLE: nobody answers at url; ERR_CLOSED: Ctrl-C. Release ret with users_tally_release after 0.
 */
MUST_CHECK int users_load_run(struct cli *c, const struct users_spec *spec, struct users_tally *ret,
							  struct err *e);

/* So many users at once need descriptors: raises the limit as far as may be. ERR_INVALID says what is too little, and what helps. */
MUST_CHECK int users_raise_limit(unsigned users, struct err *e);
