/* Exact percentiles by nearest rank. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/bench_samples.h"

static void percentile_is_the_nearest_rank(void **state)
{
	struct samples s = {0};
	static const struct {
		double fraction, ms;
	} rows[] = {{0, 1}, {0.5, 50}, {0.95, 95}, {0.99, 99}, {0.999, 100}, {1, 100}};

	(void)state;
	/* 1 … 100 ms, out of order. */
	for (int64_t i = 0; i < 100; i++)
		samples_add(&s, (i * 37 % 100 + 1) * 1000000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(fabs(samples_ms(&s, rows[i].fraction) - rows[i].ms) < 1e-9);
	/* A later sample counts, too. */
	samples_add(&s, 500 * 1000000);
	assert_true(fabs(samples_ms(&s, 1) - 500) < 1e-9);
	samples_release(&s);
}

static void without_samples_there_is_no_figure(void **state)
{
	struct samples s = {0};

	(void)state;
	assert_true(isnan(samples_ms(&s, 0.5)));
	samples_release(&s);
}

static void the_impossible_is_clamped(void **state)
{
	struct samples s = {0};

	(void)state;
	samples_add(&s, -5000000);
	assert_true(samples_ms(&s, 1) == 0);
	samples_add(&s, INT64_MAX);
	assert_true(samples_ms(&s, 1) == UINT32_MAX / 1000.0);
	samples_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentile_is_the_nearest_rank),
		cmocka_unit_test(without_samples_there_is_no_figure),
		cmocka_unit_test(the_impossible_is_clamped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
