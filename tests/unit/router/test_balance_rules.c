/* Which lane has which strategy by configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/balance_rules.h"

static enum balance of(const struct balance_rules *r, const char *name)
{
	struct lane lane;

	assert_int_equal(lane_parse(name, &lane, NULL), 0);
	return balance_rules_of(r, &lane);
}

static void the_lanes_rule_wins_over_its_types(void **state UNUSED)
{
	struct balance_rules *r = NULL;
	struct err e;

	assert_int_equal(
		balance_rules_read("random", "echo=pull, resize--gpu=weighted,resize=least-loaded", &r, &e),
		0);
	assert_int_equal(of(r, "echo"), BALANCE_PULL);
	assert_int_equal(of(r, "echo--gpu"), BALANCE_PULL);
	assert_int_equal(of(r, "resize--gpu"), BALANCE_WEIGHTED);
	assert_int_equal(of(r, "resize"), BALANCE_LEAST_LOADED);
	assert_int_equal(of(r, "resize--big"), BALANCE_LEAST_LOADED);
	assert_int_equal(of(r, "hash"), BALANCE_RANDOM);
	balance_rules_free(&r);
	balance_rules_free(&r);
	assert_int_equal(of(NULL, "hash"), BALANCE_PULL);
}

static void what_is_wrong_is_told(void **state UNUSED)
{
	static const char *const rows[][3] = {{"fastest", "", "balance.default"},
										  {"pull", "echo", "TYPE=STRATEGY"},
										  {"pull", "echo=fastest", "balance.lanes"},
										  {"pull", "e*=pull", "balance.lanes"},
										  {"pull", "=pull", "balance.lanes"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct balance_rules *r = NULL;
		struct err e;
		assert_int_equal(balance_rules_read(rows[i][0], rows[i][1], &r, &e), ERR_INVALID);
		assert_null(r);
		assert_non_null(strstr(e.text, rows[i][2]));
	}
	struct balance_rules *r = NULL;
	struct err e;
	assert_int_equal(balance_rules_read(NULL, NULL, &r, &e), 0);
	assert_int_equal(of(r, "x"), BALANCE_PULL);
	balance_rules_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_lanes_rule_wins_over_its_types),
									   cmocka_unit_test(what_is_wrong_is_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
