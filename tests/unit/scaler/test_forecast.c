/* Level, trend, gaps, and what is neither: steps and bursts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "scaler/forecast.h"

static void nothing_seen_is_nothing_expected(void **state UNUSED)
{
	struct forecast f = {0};

	assert_true(forecast_at(&f, 0) == 0);
	assert_true(forecast_at(&f, 100) == 0);
}

static void the_first_sample_is_the_level(void **state UNUSED)
{
	struct forecast f = {0};

	forecast_add(&f, 1000, 50);
	assert_true(forecast_at(&f, 0) == 50);
	assert_true(forecast_at(&f, 60) == 50);
}

static void a_constant_rate_stays(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t < 300; t++)
		forecast_add(&f, 1000 + t, 100);
	assert_true(fabs(forecast_at(&f, 0) - 100) < 1e-9);
	assert_true(fabs(forecast_at(&f, 30) - 100) < 1e-9);
}

static void a_ramp_is_seen_ahead(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t <= 120; t++)
		forecast_add(&f, 1000 + t, 10 + 3 * t);
	assert_true(fabs(forecast_at(&f, 0) - 370) < 5);
	assert_true(fabs(forecast_at(&f, 20) - 430) < 10);
}

static void samples_may_be_any_time_apart(void **state UNUSED)
{
	struct forecast f = {0};
	double t = 0;

	for (int i = 0; t < 120; i++) {
		t += i % 3 ? 0.5 : 4;
		forecast_add(&f, 1000 + t, 100 + 2 * t);
	}
	assert_true(fabs(forecast_at(&f, 10) - (120 + 2 * t)) < 10);
}

static void after_a_long_gap_the_old_counts_for_nothing(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t < 60; t++)
		forecast_add(&f, 1000 + t, 100);
	forecast_add(&f, 2000, 104);
	assert_true(fabs(forecast_at(&f, 0) - 104) < 0.1);
	assert_true(fabs(forecast_at(&f, 10) - 104) < 0.1);
	forecast_add(&f, 2100, 20);
	assert_true(forecast_at(&f, 10) == 20);
}

static void a_fall_never_goes_below_nothing(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t <= 60; t++)
		forecast_add(&f, 1000 + t, 600 - 10 * t);
	assert_true(forecast_at(&f, 0) >= 0);
	assert_true(forecast_at(&f, 60) == 0);
}

static void a_step_is_followed_at_the_second_sample_and_is_no_trend(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t < 60; t++)
		forecast_add(&f, 1000 + t, 10);
	forecast_add(&f, 1060, 500);
	assert_true(forecast_at(&f, 0) < 11);
	forecast_add(&f, 1061, 490);
	assert_true(forecast_at(&f, 0) == 495);
	assert_true(forecast_at(&f, 6) == 495);
	/* And down. */
	forecast_add(&f, 1062, 0);
	forecast_add(&f, 1063, 0);
	assert_true(forecast_at(&f, 0) == 0);
}

static void a_step_ends_the_trend_before_it(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t <= 120; t++)
		forecast_add(&f, 1000 + t, 10 + 3 * t);
	forecast_add(&f, 1121, 2000);
	forecast_add(&f, 1122, 2000);
	assert_true(forecast_at(&f, 20) == 2000);
}

static void a_single_burst_is_left_out(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t < 60; t++)
		forecast_add(&f, 1000 + t, t == 30 ? 600 : 5);
	assert_true(fabs(forecast_at(&f, 10) - 5) < 0.01);
}

static void few_tasks_are_no_surprise(void **state UNUSED)
{
	struct forecast f = {0};

	for (int t = 0; t < 60; t++)
		forecast_add(&f, 1000 + t, 0);
	forecast_add(&f, 1060, 3);
	forecast_add(&f, 1061, 3);
	assert_true(forecast_at(&f, 0) > 0.5);
	assert_true(forecast_at(&f, 0) < 2.5);
}

static void what_is_no_rate_is_left_out(void **state UNUSED)
{
	struct forecast f = {0};

	forecast_add(&f, 1000, 50);
	forecast_add(&f, 1000, 900);
	forecast_add(&f, 990, 900);
	forecast_add(&f, 1001, NAN);
	forecast_add(&f, 1001, INFINITY);
	forecast_add(&f, NAN, 50);
	assert_true(forecast_at(&f, 0) == 50);
	assert_int_equal(f.samples, 1);
	forecast_add(&f, 1001, -20);
	assert_true(forecast_at(&f, 10) >= 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_seen_is_nothing_expected),
		cmocka_unit_test(the_first_sample_is_the_level),
		cmocka_unit_test(a_constant_rate_stays),
		cmocka_unit_test(a_ramp_is_seen_ahead),
		cmocka_unit_test(samples_may_be_any_time_apart),
		cmocka_unit_test(after_a_long_gap_the_old_counts_for_nothing),
		cmocka_unit_test(a_fall_never_goes_below_nothing),
		cmocka_unit_test(a_step_is_followed_at_the_second_sample_and_is_no_trend),
		cmocka_unit_test(a_step_ends_the_trend_before_it),
		cmocka_unit_test(a_single_burst_is_left_out),
		cmocka_unit_test(few_tasks_are_no_surprise),
		cmocka_unit_test(what_is_no_rate_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
