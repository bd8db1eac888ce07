/* What Task-Backoff may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/backoff.h"

static void backoff_texts(void **state UNUSED)
{
	static const struct {
		const char *text;
		int rc;
		int64_t base_ms, max_s;
		double factor;
	} rows[] = {
		{"500ms", 0, 500, 60, 2},
		{"1s,3", 0, 1000, 60, 3},
		{"1s, 2 ,10m", 0, 1000, 600, 2},
		{"0", 0, 0, 60, 2},
		{"2m", 0, 120000, 120, 2},
		{"", ERR_INVALID, 0, 0, 0},
		{"x", ERR_INVALID, 0, 0, 0},
		{"1s,0.5", ERR_INVALID, 0, 0, 0},
		{"1s,0", ERR_INVALID, 0, 0, 0},
		{"1x", ERR_INVALID, 0, 0, 0},
		{"1s,nan", ERR_INVALID, 0, 0, 0},
		{"1s,2,3s,4", ERR_INVALID, 0, 0, 0},
		{"1s,,", ERR_INVALID, 0, 0, 0},
		{"-1s", ERR_INVALID, 0, 0, 0},
		{"1s,2,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", ERR_INVALID, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct retry_rule rule = RETRY_RULE_DEFAULT, before = rule;
		struct err e = {0};
		int rc = backoff_parse(rows[i].text, &rule, &e);
		if (rc != rows[i].rc)
			fail_msg("\"%s\": %d %s", rows[i].text, rc, e.text);
		if (rc) {
			assert_true(e.text[0] != '\0');
			assert_memory_equal(&rule, &before, sizeof(rule));
			continue;
		}
		assert_int_equal(rule.base_ns, rows[i].base_ms * NS_PER_MS);
		assert_int_equal(rule.max_ns, rows[i].max_s * NS_PER_S);
		assert_true(rule.factor == rows[i].factor);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(backoff_texts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
