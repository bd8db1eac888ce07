/* Crash loops, by table and over time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scaler/restart.h"

static void a_grown_node_that_dies_is_no_loop(void **state UNUSED)
{
	struct restart r = {0};

	for (int i = 0; i < 100; i++) {
		assert_false(restart_died(&r, RESTART_YOUNG_MS, true, 1, 1000 + i));
		assert_true(restart_allows(&r, 1000 + i));
	}
}

static void five_rounds_of_young_deaths_suspend(void **state UNUSED)
{
	struct restart r = {0};
	static const int64_t waits_ms[] = {400, 800, 1600, 3200};
	int64_t now_ms = 1000;

	for (unsigned i = 0; i < ARRAY_LEN(waits_ms); i++) {
		assert_false(restart_died(&r, 10, false, 1, now_ms));
		assert_false(restart_allows(&r, now_ms + waits_ms[i] - 1));
		now_ms += waits_ms[i];
		assert_true(restart_allows(&r, now_ms));
	}
	assert_true(restart_died(&r, 10, false, 1, now_ms)); /* told once */
	assert_false(restart_died(&r, 10, false, 1, now_ms));
	assert_true(r.suspended);
	assert_false(restart_allows(&r, now_ms + RESTART_SUSPEND_MS - 1));
	/* Then one more try, and the next death suspends again. */
	assert_true(restart_allows(&r, now_ms + RESTART_SUSPEND_MS));
	assert_false(r.suspended);
	assert_true(restart_died(&r, 10, false, 1, now_ms + RESTART_SUSPEND_MS + 1));
}

static void many_nodes_that_die_once_each_are_no_loop(void **state UNUSED)
{
	struct restart r = {0};

	for (int i = 0; i < 7; i++) {
		assert_false(restart_died(&r, 10, true, 8, 1000));
		assert_true(restart_allows(&r, 1000)); /* within the first round nothing waits */
	}
	assert_false(restart_died(&r, 10, true, 8, 1000));
	assert_false(restart_allows(&r, 1000));
	for (int i = 8; i < 39; i++)
		assert_false(restart_died(&r, 10, true, 8, 1000));
	assert_true(restart_died(&r, 10, true, 8, 1000));
}

static void a_node_that_grows_old_ends_the_row(void **state UNUSED)
{
	struct restart r = {0};

	for (int i = 0; i < 50; i++) {
		assert_false(restart_died(&r, 10, false, 1, 1000));
		restart_grown(&r);
		assert_true(restart_allows(&r, 1000));
	}
	/* A suspended pool is not let go by one that was old before. */
	for (int i = 0; i < 5; i++)
		(void)restart_died(&r, 10, false, 1, 1000);
	restart_grown(&r);
	assert_true(r.suspended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grown_node_that_dies_is_no_loop),
		cmocka_unit_test(five_rounds_of_young_deaths_suspend),
		cmocka_unit_test(many_nodes_that_die_once_each_are_no_loop),
		cmocka_unit_test(a_node_that_grows_old_ends_the_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
