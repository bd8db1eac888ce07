/*
 * Scenarios as a table, the promise as comparisons. It stands alone because a
 * report is only worth what its definitions are: they are here, and held by a
 * test.
 */
#include "cli/users_plan.h"

#include <math.h>

#include "common/clock.h"

#define RAMP_NS (2 * NS_PER_S)
#define RAMP_PART 4 /* of a short one the ramp takes at most so much */

static const struct users_scenario scenarios[] = {
	{"100", "100 users for 60 s", 100, 60 * NS_PER_S, RAMP_NS, {150, 245, 420, 480, 0.002}},
	{"500", "500 users for 120 s", 500, 120 * NS_PER_S, RAMP_NS, {0}},
	{"1000", "1000 users for 180 s", 1000, 180 * NS_PER_S, RAMP_NS, {800, 380, 495, 590, 0.005}},
	{"spike", "2000 users at once for 60 s", 2000, 60 * NS_PER_S, NS_PER_S, {0}},
	{"endurance", "300 users for 300 s", 300, 300 * NS_PER_S, RAMP_NS, {0}},
};

const struct users_scenario *users_scenario(size_t n)
{
	return n < ARRAY_LEN(scenarios) ? &scenarios[n] : NULL;
}

int users_scenario_find(const char *name, struct users_scenario *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		if (str_eq(scenarios[i].name, name)) {
			*ret = scenarios[i];
			return 0;
		}
	}
	return err_set(
		e, ERR_INVALID,
		"--scenario: '%s' is none of 100, 500, 1000, spike, endurance; --users N --duration D "
		"is one of your own",
		name);
}

struct users_scenario users_scenario_own(unsigned users, int64_t duration_ns)
{
	return (struct users_scenario){.name = "own",
								   .what = "users of your own",
								   .users = users,
								   .duration_ns = duration_ns,
								   .ramp_ns = MIN_OF(RAMP_NS, duration_ns / RAMP_PART)};
}

struct users_scenario users_scenario_scale(const struct users_scenario *s, double scale)
{
	struct users_scenario r = *s;

	r.duration_ns = MAX_OF((int64_t)((double)s->duration_ns * scale), NS_PER_S);
	r.ramp_ns = MIN_OF(s->ramp_ns, r.duration_ns / RAMP_PART);
	return r;
}

void users_tally_release(struct users_tally *t)
{
	samples_release(&t->took);
	samples_release(&t->took_in_all);
}

static double part(size_t n, size_t of)
{
	return of ? (double)n / (double)of : NAN;
}

struct users_verdict users_judge(struct users_tally *t)
{
	struct users_verdict v = {
		.error_rate = part(t->errors, t->completed + t->errors),
		.success_rate = part(t->completed, t->completed + t->errors + t->given_up),
		.uptime = part(t->probes_ok, t->probes),
		.p95_ms = samples_ms(&t->took, 0.95),
	};

	/* What is not known is not kept: no comparison with NaN is true. */
	v.p95 = v.p95_ms < USERS_P95_MS;
	v.errors = v.error_rate < USERS_ERROR_RATE;
	v.success = v.success_rate > USERS_SUCCESS_RATE;
	v.recovery = t->recovery_s < USERS_RECOVERY_S;
	v.up = v.uptime >= USERS_UPTIME;
	v.ok = v.p95 && v.errors && v.success && v.recovery && v.up;
	return v;
}
