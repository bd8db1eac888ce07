/* Low is refused before normal, high never, and the edge does not flicker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/shed_level.h"

static const struct shed_rule rule = {0.8, 0.9};

static void levels_begin_at_their_shares(void **state UNUSED)
{
	static const struct {
		enum shed_level now;
		double share;
		enum shed_level next;
	} rows[] = {
		{SHED_NOTHING, 0, SHED_NOTHING},  {SHED_NOTHING, 0.799, SHED_NOTHING},
		{SHED_NOTHING, 0.8, SHED_LOW},    {SHED_NOTHING, 0.9, SHED_NORMAL},
		{SHED_LOW, 0.76, SHED_LOW},       {SHED_LOW, 0.74, SHED_NOTHING},
		{SHED_LOW, 0.86, SHED_LOW},       {SHED_LOW, 0.95, SHED_NORMAL},
		{SHED_NORMAL, 0.86, SHED_NORMAL}, {SHED_NORMAL, 0.84, SHED_LOW},
		{SHED_NORMAL, 0.76, SHED_LOW},    {SHED_NORMAL, 0.1, SHED_NOTHING},
		{SHED_NORMAL, 1.5, SHED_NORMAL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(shed_level_next(&rule, rows[i].now, rows[i].share), rows[i].next);
}

static void a_rule_over_the_whole_never_holds(void **state UNUSED)
{
	static const struct shed_rule never = {1.01, 1.01};

	assert_int_equal(shed_level_next(&never, SHED_NOTHING, 1.0), SHED_NOTHING);
}

static void high_is_never_refused(void **state UNUSED)
{
	for (int l = SHED_NOTHING; l <= SHED_NORMAL; l++) {
		assert_false(shed_refuses((enum shed_level)l, CLASS_HIGH));
		assert_int_equal(shed_refuses((enum shed_level)l, CLASS_NORMAL), l >= SHED_NORMAL);
		assert_int_equal(shed_refuses((enum shed_level)l, CLASS_LOW), l >= SHED_LOW);
	}
}

static void the_fuller_of_messages_and_bytes_counts(void **state UNUSED)
{
	assert_true(shed_share(5, 10, 1, 10) == 0.5);
	assert_true(shed_share(1, 10, 5, 10) == 0.5);
	assert_true(shed_share(1000, -1, 5, 10) == 0.5);
	assert_true(shed_share(1000, 0, 5, -1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_begin_at_their_shares),
		cmocka_unit_test(a_rule_over_the_whole_never_holds),
		cmocka_unit_test(high_is_never_refused),
		cmocka_unit_test(the_fuller_of_messages_and_bytes_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
