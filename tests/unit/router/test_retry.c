/* The class that a retry waits in; which rule holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/retry.h"
#include "common/task.h"
#include "router/types.h"

static void a_retry_waits_one_class_above(void **state UNUSED)
{
	static const struct {
		enum task_class class;
		unsigned attempt;
		enum task_class want;
	} rows[] = {
		{CLASS_HIGH, 1, CLASS_HIGH},    {CLASS_NORMAL, 1, CLASS_NORMAL},
		{CLASS_LOW, 1, CLASS_LOW},      {CLASS_HIGH, 2, CLASS_HIGH},
		{CLASS_NORMAL, 2, CLASS_HIGH},  {CLASS_LOW, 2, CLASS_NORMAL},
		{CLASS_NORMAL, 99, CLASS_HIGH}, {CLASS_LOW, 99, CLASS_NORMAL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct submission s = {.class = rows[i].class, .attempt = rows[i].attempt};
		assert_int_equal(retry_class(&s), rows[i].want);
	}
}

static void header_over_type_over_default(void **state UNUSED)
{
	static const char yaml[] = "types: {known: {attempts: 7, base: 5s, timeout: 9s}}";
	const struct bus_header headers[] = {{"task-backoff", "2s,4"}};
	struct router r = {.retry = RETRY_RULE_DEFAULT};
	struct submission s = {.lane = {.type = "known"}};
	struct doc *d = NULL;
	struct err e;

	assert_int_equal(doc_parse("x", yaml, strlen(yaml), &d, &e), 0);
	assert_int_equal(types_read(d, "x", &r.types, &e), 0);
	doc_free(d);
	struct retry_rule rule = retry_rule_of(&r, &s);
	assert_int_equal(rule.attempts, 7);
	assert_int_equal(rule.base_ns, 5 * NS_PER_S);
	s.attempts = 2;
	s.headers = headers;
	s.nheaders = 1;
	rule = retry_rule_of(&r, &s);
	assert_int_equal(rule.attempts, 2);
	assert_int_equal(rule.base_ns, 2 * NS_PER_S);
	assert_true(rule.factor > 3.9);
	retry_complete(&r, &s);
	assert_true(s.timeout_by_type);
	assert_int_equal(s.timeout_ns, 9 * NS_PER_S);
	s = (struct submission){.lane = {.type = "known"}, .timeout_ns = 1};
	retry_complete(&r, &s);
	assert_false(s.timeout_by_type);
	assert_int_equal(s.timeout_ns, 1);
	s = (struct submission){.lane = {.type = "other"}};
	assert_int_equal(retry_rule_of(&r, &s).attempts, 4);
	retry_complete(&r, &s);
	assert_int_equal(s.timeout_ns, 0);
	types_free(&r.types);
}

static void a_node_that_is_not_free_after_all_ends_the_wish(void **state UNUSED)
{
	static const struct {
		const char *reason;
		bool avoids; /* still */
	} rows[] = {
		{"busy", false}, {"no-handler", false}, {"limit", true}, {"paused", true}, {NULL, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct submission s = {.avoid = "n1"};
		retry_returned(&s, rows[i].reason);
		assert_int_equal(s.avoid != NULL, rows[i].avoids);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_retry_waits_one_class_above),
		cmocka_unit_test(header_over_type_over_default),
		cmocka_unit_test(a_node_that_is_not_free_after_all_ends_the_wish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
