/* Whose retry is handed back, that it reaches another, and that it ends. */
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
	int64_t waited_ms = 0, sum_ms = 0, ms;

	for (uint64_t delivered = 1; delivered <= AVOID_HAND_BACKS; delivered++) {
		assert_true(avoid_hands_back("b,node-1", "node-1", delivered, &ms));
		if (delivered % 2) {
			assert_int_equal(ms, 0); /* for an idle node */
		} else {
			assert_true(ms > waited_ms); /* for a busy one */
			waited_ms = ms;
		}
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

/*
 * Two nodes with one request each at the broker, which serves whoever waits longest; who hands back
 * asks anew, behind the other. Two retries, each first delivered to the node that failed it.
 */
static void two_retries_do_not_keep_step(void **state UNUSED)
{
	static const char *const nodes[] = {"a", "b"};

	for (int64_t apart_ms = 1; apart_ms < 400; apart_ms += 7) {
		int64_t due_ms[2] = {0, apart_ms};
		uint64_t delivered[2] = {0, 0};
		bool done[2] = {false, false};
		unsigned next = 0; /* the node that waits longest */

		while (!done[0] || !done[1]) {
			unsigned k = done[0] || (!done[1] && due_ms[1] < due_ms[0]);
			int64_t ms;
			delivered[k]++;
			done[k] = !avoid_hands_back(nodes[k], nodes[next], delivered[k], &ms);
			if (done[k])
				assert_string_not_equal(nodes[k], nodes[next]);
			else
				due_ms[k] += ms;
			next = !next;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listed_node_hands_back_so_often_and_no_more),
		cmocka_unit_test(only_whole_names_count),
		cmocka_unit_test(two_retries_do_not_keep_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
