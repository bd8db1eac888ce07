/* The formulas of stats.h, against values computed by hand or by Python's statistics module. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/handlers/stats.h"

static void near(double got, double want)
{
	double scale = fmax(1, fabs(want));
	if (!(fabs(got - want) <= 1e-12 * scale))
		fail_msg("got %.17g, want %.17g", got, want);
}

static struct stats of(const double *v, size_t n)
{
	double sorted[64];
	struct stats s;
	assert_true(n <= ARRAY_LEN(sorted));
	stats_of(v, n, sorted, &s);
	return s;
}

static void known_series(void **state)
{
	(void)state;
	static const struct {
		double v[8];
		size_t n;
		double mean, median, stddev, p5, p25, p75, p95;
	} t[] = {
		{{2, 4, 4, 4, 5, 5, 7, 9}, 8, 5, 4.5, 2.138089935299395, 2.7, 4, 5.5, 8.3},
		{{1, 2, 3, 4}, 4, 2.5, 2.5, 1.2909944487358056, 1.15, 1.75, 3.25, 3.85},
		{{3, 1, 2}, 3, 2, 2, 1, 1.1, 1.5, 2.5, 2.9},
		{{-1.5, -1.5}, 2, -1.5, -1.5, 0, -1.5, -1.5, -1.5, -1.5},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct stats s = of(t[i].v, t[i].n);
		assert_int_equal(s.count, t[i].n);
		near(s.mean, t[i].mean);
		near(s.median, t[i].median);
		near(s.stddev, t[i].stddev);
		near(s.p5, t[i].p5);
		near(s.p25, t[i].p25);
		near(s.p75, t[i].p75);
		near(s.p95, t[i].p95);
	}
}

static void one_value_has_no_deviation(void **state)
{
	(void)state;
	struct stats s = of((const double[]){42}, 1);
	assert_true(isnan(s.stddev));
	near(s.mean, 42);
	near(s.median, 42);
	near(s.p5, 42);
	near(s.p95, 42);
	near(s.min, 42);
	near(s.max, 42);
	assert_int_equal(s.outliers, 0);
}

static void small_parts_of_a_sum_are_kept(void **state)
{
	(void)state;
	struct stats s = of((const double[]){1e16, 1, -1e16, 1}, 4);
	near(s.sum, 2);
	near(s.mean, 0.5);
}

static void a_large_offset_does_not_hurt_the_deviation(void **state)
{
	(void)state;
	struct stats s = of((const double[]){1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16}, 4);
	near(s.stddev, sqrt(30));
}

static void an_overflowing_sum_still_has_a_mean(void **state)
{
	(void)state;
	struct stats s = of((const double[]){1.5e308, 1.5e308, 1.5e308}, 3);
	assert_true(isinf(s.sum));
	near(s.mean / 1e308, 1.5);
	near(s.median / 1e308, 1.5);
}

static void outliers_are_beyond_the_fences_in_input_order(void **state)
{
	(void)state;
	struct stats s = of((const double[]){10, 99, 11, 12, 10, -80, 11, 12, 11}, 9);
	assert_int_equal(s.outliers, 2);
	near(s.outlier[0], 99);
	near(s.outlier[1], -80);
}

static void a_value_on_the_fence_is_none(void **state)
{
	(void)state;
	/* Q1 2, Q3 4, fence at 7 */
	struct stats s = of((const double[]){1, 2, 3, 4, 7}, 5);
	assert_int_equal(s.outliers, 0);
}

static void only_the_first_outliers_are_listed(void **state)
{
	(void)state;
	enum { MANY = 1000, FAR = STATS_OUTLIERS_MAX + 20 };
	static double v[MANY], sorted[MANY];
	for (size_t i = 0; i < MANY; i++) {
		v[i] = i < FAR ? 1e6 + (double)i : (double)(i % 7);
	}
	struct stats s;
	stats_of(v, MANY, sorted, &s);
	assert_int_equal(s.outliers, FAR);
	near(s.outlier[0], 1e6);
	near(s.outlier[STATS_OUTLIERS_MAX - 1], 1e6 + STATS_OUTLIERS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_series),
		cmocka_unit_test(one_value_has_no_deviation),
		cmocka_unit_test(small_parts_of_a_sum_are_kept),
		cmocka_unit_test(a_large_offset_does_not_hurt_the_deviation),
		cmocka_unit_test(an_overflowing_sum_still_has_a_mean),
		cmocka_unit_test(outliers_are_beyond_the_fences_in_input_order),
		cmocka_unit_test(a_value_on_the_fence_is_none),
		cmocka_unit_test(only_the_first_outliers_are_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
