/* Erlang's C formula: closed forms, values by exact rational arithmetic, and sizes at which factorials are long gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <time.h>

#include "scaler/policy_wait.h"

static void near(double got, double want)
{
	if (!(fabs(got - want) <= 1e-9 * MAX_OF(1, fabs(want))))
		fail_msg("got %.12g, not %.12g", got, want);
}

/* The chance to wait at all, from the wait that one in twenty exceeds. */
static double chance(unsigned servers, double load)
{
	return 0.05 * exp(policy_wait_s(servers, load, 1, 0.95) * (servers - load));
}

static void one_server_is_the_closed_form(void **state UNUSED)
{
	static const double loads[] = {0.06, 0.3, 0.5, 0.9, 0.99};

	for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
		double rho = loads[i];

		near(policy_wait_s(1, rho / 0.2, 0.2, 0.95), 0.2 / (1 - rho) * log(rho / 0.05));
		near(policy_wait_s(1, rho, 1, 0.99), 1 / (1 - rho) * log(rho / 0.01));
	}
}

static void two_servers_are_the_closed_form(void **state UNUSED)
{
	for (unsigned i = 2; i < 10; i++) {
		double rho = i / 10.0;

		near(chance(2, 2 * rho), 2 * rho * rho / (1 + rho));
	}
}

static void known_values(void **state UNUSED)
{
	static const struct {
		unsigned servers;
		double load, chance;
	} rows[] = {
		{3, 2, 4.0 / 9},
		{5, 4, 0.5541125541125541},
		{10, 8, 0.40918015079644354},
		{20, 19, 0.7554012320910864},
		{50, 45, 0.3638644672069884},
		{100, 90, 0.2169404809063664},
		{200, 198, 0.8361337682564641},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		near(chance(rows[i].servers, rows[i].load), rows[i].chance);
}

static void boundaries(void **state UNUSED)
{
	assert_true(policy_wait_s(10, 10, 1, 0.95) == INFINITY);
	assert_true(policy_wait_s(10, 11, 1, 0.95) == INFINITY);
	assert_true(policy_wait_s(0, 1, 1, 0.95) == INFINITY);
	assert_true(policy_wait_s(0, 0, 1, 0.95) == 0);
	assert_true(policy_wait_s(10, 0, 1, 0.95) == 0);
	assert_true(policy_wait_s(10, 5, 0, 0.95) == 0);
	/* Fewer than one in twenty waits at all. */
	assert_true(policy_wait_s(10, 4, 1, 0.95) == 0);
	assert_true(policy_wait_s(10, 8, 1, 0) == 0);
	assert_true(policy_wait_s(10, 8, 1, 1) == INFINITY);
}

static void waits_fall_with_servers_and_rise_with_load(void **state UNUSED)
{
	for (unsigned servers = 91; servers < 140; servers++)
		assert_true(policy_wait_s(servers + 1, 90, 1, 0.95) <= policy_wait_s(servers, 90, 1, 0.95));
	for (unsigned load = 1; load < 99; load++)
		assert_true(policy_wait_s(100, load + 1, 1, 0.95) >= policy_wait_s(100, load, 1, 0.95));
}

static void a_hundred_thousand_servers_are_no_trouble(void **state UNUSED)
{
	clock_t start = clock();

	/* 1 / B as the sum of c! / (c - k)! / a^k, added up without rounding. */
	near(chance(100000, 99900), 0.6579935117953076);
	assert_true(policy_wait_s(100000, 98000, 1, 0.95) == 0);
	assert_true(policy_wait_s(100000, 1, 1, 0.95) == 0);
	for (unsigned i = 0; i < 20; i++)
		assert_true(isfinite(policy_wait_s(100000, 99990 - i, 0.5, 0.95)));
	assert_true(policy_wait_nodes(90000, 1, 1, 10) > 9000);
	assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 1);
}

static void fewest_nodes_keep_the_promise(void **state UNUSED)
{
	static const struct {
		double arrival, service, promise;
		unsigned slots;
	} rows[] = {{1, 1, 1, 1},   {4, 1, 0.5, 1}, {500, 0.2, 2, 10}, {500, 0.2, 0, 10},
				{7, 3, 0.1, 4}, {1, 60, 2, 10}, {0.01, 1, 2, 10},  {20000, 0.1, 0.01, 16}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned n =
			policy_wait_nodes(rows[i].arrival, rows[i].service, rows[i].promise, rows[i].slots);

		assert_true(n >= 1);
		assert_true(policy_wait_s(n * rows[i].slots, rows[i].arrival, rows[i].service,
								  POLICY_SHARE) <= rows[i].promise);
		if (n > 1)
			assert_true(policy_wait_s((n - 1) * rows[i].slots, rows[i].arrival, rows[i].service,
									  POLICY_SHARE) > rows[i].promise);
	}
	assert_int_equal(policy_wait_nodes(0, 1, 2, 10), 1);
	/* Beyond what is computed: the load. */
	assert_int_equal(policy_wait_nodes(1e6, 1, 2, 10), 100000);
	assert_int_equal(policy_wait_nodes(1e300, 1e9, 2, 10), POLICY_SERVERS_MAX);
}

static void amounts_become_nodes(void **state UNUSED)
{
	assert_int_equal(policy_ceil(0), 0);
	assert_int_equal(policy_ceil(-3), 0);
	assert_int_equal(policy_ceil(NAN), 0);
	assert_int_equal(policy_ceil(0.1), 1);
	assert_int_equal(policy_ceil(3.0), 3);
	assert_int_equal(policy_ceil(0.1 * 30), 3); /* 3.0000000000000004 */
	assert_int_equal(policy_ceil(INFINITY), POLICY_SERVERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_server_is_the_closed_form),
		cmocka_unit_test(two_servers_are_the_closed_form),
		cmocka_unit_test(known_values),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(waits_fall_with_servers_and_rise_with_load),
		cmocka_unit_test(a_hundred_thousand_servers_are_no_trouble),
		cmocka_unit_test(fewest_nodes_keep_the_promise),
		cmocka_unit_test(amounts_become_nodes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
