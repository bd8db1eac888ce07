/* users_plan: the scenarios as they were asked for, and the promise as comparisons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "cli/users_plan.h"
#include "common/clock.h"

static void there_are_five_scenarios(void **state)
{
	static const struct {
		const char *name;
		unsigned users;
		int seconds;
	} rows[] = {{"100", 100, 60},
				{"500", 500, 120},
				{"1000", 1000, 180},
				{"spike", 2000, 60},
				{"endurance", 300, 300}};
	struct users_scenario s;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_string_equal(users_scenario(i)->name, rows[i].name);
		assert_int_equal(users_scenario_find(rows[i].name, &s, &e), 0);
		assert_int_equal(s.users, rows[i].users);
		assert_int_equal(s.duration_ns, rows[i].seconds * NS_PER_S);
		assert_true(s.ramp_ns > 0 && s.ramp_ns <= 2 * NS_PER_S);
	}
	assert_null(users_scenario(ARRAY_LEN(rows)));
	assert_true(users_scenario_find("200", &s, &e) == ERR_INVALID && strstr(e.text, "spike"));
	assert_true(users_scenario(0)->old.p95_ms == 420 && users_scenario(2)->old.tasks_per_s == 800);
}

static void they_can_be_shortened(void **state)
{
	struct users_scenario s = users_scenario_scale(users_scenario(0), 0.1);

	(void)state;
	assert_int_equal(s.duration_ns, 6 * NS_PER_S);
	assert_true(s.ramp_ns == 1500 * NS_PER_MS);
	assert_int_equal(s.users, 100);
	s = users_scenario_scale(users_scenario(0), 0.000001);
	assert_int_equal(s.duration_ns, NS_PER_S);
	s = users_scenario_own(7, 60 * NS_PER_S);
	assert_true(s.users == 7 && s.ramp_ns == 2 * NS_PER_S && s.old.tasks_per_s == 0);
}

/* 100 tasks of which five took slow_ms. */
static struct users_tally tally(double slow_ms)
{
	struct users_tally t = {
		.completed = 100, .probes = 100, .probes_ok = 100, .recovery_s = 0.1, .seconds = 60};

	for (int i = 0; i < 94; i++)
		samples_add(&t.took, NS_PER_MS);
	for (int i = 0; i < 6; i++)
		samples_add(&t.took, (int64_t)(slow_ms * NS_PER_MS));
	return t;
}

static void the_promise_is_kept_or_broken(void **state)
{
	static const struct {
		double slow_ms, recovery_s;
		size_t errors, given_up, missed;
		bool p95, few_errors, success, recovery, up;
	} rows[] = {
		{1, 0.1, 0, 0, 0, true, true, true, true, true},
		{499.9, 9.9, 0, 0, 1, true, true, true, true, true},
		{500, 0.1, 0, 0, 0, false, true, true, true, true},
		{1, 0.1, 2, 0, 0, true, false, false, true, true},
		{1, 0.1, 0, 2, 0, true, true, false, true,
		 true}, /* refused to the end: no error, and no success */
		{1, 10, 0, 0, 0, true, true, true, false, true},
		{1, NAN, 0, 0, 0, true, true, true, false, true}, /* it never recovered */
		{1, 0.1, 0, 0, 2, true, true, true, true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct users_tally t = tally(rows[i].slow_ms);

		t.errors = rows[i].errors;
		t.given_up = rows[i].given_up;
		t.probes_ok -= rows[i].missed;
		t.recovery_s = rows[i].recovery_s;
		struct users_verdict v = users_judge(&t);
		assert_int_equal(v.p95, rows[i].p95);
		assert_int_equal(v.errors, rows[i].few_errors);
		assert_int_equal(v.success, rows[i].success);
		assert_int_equal(v.recovery, rows[i].recovery);
		assert_int_equal(v.up, rows[i].up);
		assert_int_equal(v.ok, rows[i].p95 && rows[i].few_errors && rows[i].success &&
								   rows[i].recovery && rows[i].up);
		users_tally_release(&t);
	}
}

static void nothing_measured_keeps_nothing(void **state)
{
	struct users_tally t = {.recovery_s = NAN};
	struct users_verdict v = users_judge(&t);

	(void)state;
	assert_false(v.ok || v.p95 || v.errors || v.success || v.recovery || v.up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_five_scenarios),
		cmocka_unit_test(they_can_be_shortened),
		cmocka_unit_test(the_promise_is_kept_or_broken),
		cmocka_unit_test(nothing_measured_keeps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
