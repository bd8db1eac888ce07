/*
 * The stress scenarios, what came of one, and whether that keeps the promise.
 * Pure: nothing is measured here.
 */
#pragma once

#include "cli/bench_samples.h"
#include "common/err.h"

/* What another system of this kind measured under the same load; tasks_per_s 0: it did not say. */
struct users_old {
	double tasks_per_s, p50_ms, p95_ms, p99_ms, error_rate;
};

struct users_scenario {
	const char *name, *what;
	unsigned users;
	int64_t duration_ns;
	int64_t ramp_ns; /* in which they begin, one after the other */
	struct users_old old;
};

/* The five of them, in order; NULL after the last. */
const struct users_scenario *users_scenario(size_t n);
MUST_CHECK int users_scenario_find(const char *name, struct users_scenario *ret, struct err *e);
/* Of as many users for as long; the ramp is 2 s, less of a short one. */
struct users_scenario users_scenario_own(unsigned users, int64_t duration_ns);
/* The same in so much of its time (0.1: a tenth); at least a second. */
struct users_scenario users_scenario_scale(const struct users_scenario *s, double scale);

/* ---- what came of one ---- */

struct users_tally {
	struct samples took; /* of completed tasks: from the request that was taken to the result */
	struct samples
		took_in_all; /* the same from the user's first try: refusals and their waits are in it */
	size_t completed;
	size_t completed_in_time; /* before the load's end */
	size_t errors; /* tasks: no result, a wrong one, an answer that is neither that nor a refusal */
	size_t unanswered; /* of these: nothing came in time */
	size_t refused_429,
		refused_503;          /* answers with Retry-After; the user waits so long and tries again */
	size_t given_up;          /* tasks that were still being refused at the end */
	size_t probes, probes_ok; /* of /livez, once a second */
	double seconds;           /* of the load */
	double recovery_s;        /* NaN: it did not recover while we looked */
	char first_error[300];
};
void users_tally_release(struct users_tally *t);

struct users_verdict {
	double error_rate; /* of tasks that ended: errors / (completed + errors) */
	double
		success_rate; /* of tasks that were wanted: completed / (completed + errors + given up) */
	double uptime;
	double p95_ms;
	bool p95, errors, success, recovery, up; /* each kept */
	bool ok;                                 /* all are */
};
#define USERS_P95_MS 500.0
#define USERS_ERROR_RATE 0.01
#define USERS_SUCCESS_RATE 0.99
#define USERS_RECOVERY_S 10.0
#define USERS_UPTIME 0.99
struct users_verdict users_judge(struct users_tally *t);
