/* Whose retry is handed back, and that it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base.h"
#include "node/avoid.h"

static void a_listed_node_hands_back_so_often_and_no_more(void **state UNUSED)
{
	int64_t before_ms = 0, sum_ms = 0, ms;

	for (uint64_t delivered = 1; delivered <= AVOID_HAND_BACKS; delivered++) {
		assert_true(avoid_hands_back("b,node-1", "node-1", delivered, &ms));
		assert_true(ms > before_ms);
		before_ms = ms;
		sum_ms += ms;
	}
	assert_true(sum_ms < 5000);
	for (uint64_t delivered = AVOID_HAND_BACKS + 1; delivered < 100; delivered++)
		assert_false(avoid_hands_back("b,node-1", "node-1", delivered, &ms));
	assert_false(avoid_hands_back("b,node-1", "node-1", 0, &ms));
}

static void only_whole_names_count(void **state UNUSED)
{
	static const char *const others[] = {NULL, "", "node-10", "node", "xnode-1", "node-1x,b", ",,"};
	int64_t ms;

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(avoid_hands_back(others[i], "node-1", 1, &ms));
	assert_true(avoid_hands_back("node-10, node-1", "node-1", 1, &ms));
	assert_false(avoid_hands_back(",", "", 1, &ms));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listed_node_hands_back_so_often_and_no_more),
		cmocka_unit_test(only_whole_names_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
