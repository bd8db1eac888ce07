/* The words of placement: what is understood, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/placement.h"
#include "common/task.h"

static void wishes(void **state UNUSED)
{
	static const struct {
		const char *text, *name;
		bool ok, soft;
	} rows[] = {
		{"n1", "n1", true, false},    {"n1?", "n1", true, true},
		{"", NULL, false, false},     {"?", NULL, false, false},
		{"n1??", NULL, false, false}, {"n 1", NULL, false, false},
		{"a--b", NULL, false, false}, {"n.1", NULL, false, false},
		{"*", NULL, false, false},    {"node-1\r\nX", NULL, false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wish w;
		struct err e;
		int rc = wish_node(rows[i].text, &w, &e);
		assert_int_equal(rc == 0, rows[i].ok);
		if (rc)
			continue;
		assert_string_equal(w.name, rows[i].name);
		assert_int_equal(w.soft, rows[i].soft);
	}
	struct wish w;
	struct err e;
	assert_int_equal(wish_task("order.42.r1?", &w, &e), 0);
	assert_string_equal(w.name, "order.42.r1");
	assert_true(w.soft);
	assert_int_not_equal(wish_task(".x", &w, &e), 0);
}

static void lists(void **state UNUSED)
{
	struct err e;

	assert_int_equal(names_check("a", &e), 0);
	assert_int_equal(names_check(" a , b-2,c_3 ", &e), 0);
	assert_int_not_equal(names_check("", &e), 0);
	assert_int_not_equal(names_check(" , ", &e), 0);
	assert_int_not_equal(names_check("a b", &e), 0);
	assert_int_not_equal(names_check("a,>", &e), 0);
	assert_true(names_have(" a , b-2,c_3 ", "b-2"));
	assert_true(names_have("a", "a"));
	assert_false(names_have("ab", "a"));
	assert_false(names_have("a,b", "ab"));
	assert_false(names_have(NULL, "a"));
}

static void strategies(void **state UNUSED)
{
	struct err e;
	enum balance b = BALANCE_UNSAID;

	for (int i = BALANCE_PULL; i <= BALANCE_CAPABILITY_MATCH; i++) {
		assert_int_equal(balance_parse(balance_name((enum balance)i), &b, &e), 0);
		assert_int_equal(b, i);
	}
	assert_int_equal(balance_parse("Round-Robin", &b, &e), 0);
	assert_int_not_equal(balance_parse("", &b, &e), 0);
	assert_int_not_equal(balance_parse("fastest", &b, &e), 0);
	assert_non_null(strstr(e.text, "least-loaded"));
}

static void a_tasks_headers(void **state UNUSED)
{
	static const struct bus_header good[] = {{"task-node", "n1?"},
											 {"Task-Same-Node-As", "t.1"},
											 {"TASK-NOT-NODES", "a,b"},
											 {"Task-Balance", "weighted"}};
	static const struct bus_header bad[][1] = {{{"Task-Node", "a b"}},
											   {{"Task-Same-Node-As", "a b"}},
											   {{"Task-Not-Nodes", "a,*"}},
											   {{"Task-Balance", "x"}}};
	struct task t;
	struct err e;

	assert_int_equal(task_read_headers(good, ARRAY_LEN(good), &t, &e), 0);
	assert_string_equal(t.node, "n1?");
	assert_string_equal(t.same_node_as, "t.1");
	assert_string_equal(t.not_nodes, "a,b");
	assert_int_equal(t.balance, BALANCE_WEIGHTED);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_not_equal(task_read_headers(bad[i], 1, &t, &e), 0);
		assert_non_null(strstr(e.text, bad[i][0].name));
	}
}

static void what_is_required(void **state UNUSED)
{
	assert_true(wish_hard("n1"));
	assert_false(wish_hard("n1?"));
	assert_false(wish_hard(""));
	assert_false(wish_hard(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(wishes), cmocka_unit_test(what_is_required),
									   cmocka_unit_test(lists), cmocka_unit_test(strategies),
									   cmocka_unit_test(a_tasks_headers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
