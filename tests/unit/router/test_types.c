/* The section types: of the router's file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/types.h"

static int read(const char *yaml, struct types **ret, struct err *e)
{
	struct doc *d = NULL;

	assert_int_equal(doc_parse("router.yaml", yaml, strlen(yaml), &d, e), 0);
	int rc = types_read(d, "router.yaml", ret, e);
	doc_free(d);
	return rc;
}

static void what_is_said_wins_and_the_rest_stays(void **state UNUSED)
{
	struct types *ts = NULL;
	struct err e;
	struct retry_rule r = RETRY_RULE_DEFAULT;

	assert_int_equal(read("types:\n"
						  "  one: {attempts: 6, base: 2s, factor: 3, max: 5m, timeout: 2m}\n"
						  "  two:\n"
						  "    base: 10m\n"
						  "  three: {}\n",
						  &ts, &e),
					 0);
	types_retry(ts, "one", &r);
	assert_int_equal(r.attempts, 6);
	assert_int_equal(r.base_ns, 2 * NS_PER_S);
	assert_true(r.factor > 2.99 && r.factor < 3.01);
	assert_int_equal(r.max_ns, 300 * NS_PER_S);
	assert_int_equal(types_timeout_ns(ts, "one"), 120 * NS_PER_S);
	r = RETRY_RULE_DEFAULT;
	types_retry(ts, "two", &r);
	assert_int_equal(r.attempts, 4);
	assert_int_equal(r.base_ns, 600 * NS_PER_S);
	assert_int_equal(r.max_ns, 600 * NS_PER_S); /* never less than the first wait */
	assert_int_equal(types_timeout_ns(ts, "two"), 0);
	for (int i = 0; i < 2; i++) {
		r = RETRY_RULE_DEFAULT;
		types_retry(ts, i ? "three" : "four", &r);
		assert_int_equal(r.attempts, 4);
		assert_int_equal(r.max_ns, 60 * NS_PER_S);
	}
	types_free(&ts);
}

static void nothing_is_fine(void **state UNUSED)
{
	static const char *const texts[] = {"", "types:\n", "types: {}\n", "retry: {attempts: 3}\n"};
	struct types *ts = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(read(texts[i], &ts, &e), 0);
		assert_int_equal(types_timeout_ns(ts, "x"), 0);
		types_free(&ts);
	}
	assert_int_equal(types_read(NULL, NULL, &ts, &e), 0);
	types_free(&ts);
}

static void what_is_wrong_is_named_with_its_line(void **state UNUSED)
{
	static const struct {
		const char *yaml, *words;
	} rows[] = {
		{"types: [a]\n", "router.yaml:1: types: is no map"},
		{"types: word\n", "router.yaml:1: types: is no map"},
		{"types:\n  a: 5\n", "router.yaml:2: types: a: is no map"},
		{"types:\n  a b: {}\n", "router.yaml:2: types"},
		{"types:\n  a:\n    atempts: 5\n", "router.yaml:3: types: a: \"atempts\" is none of"},
		{"types:\n  a:\n    attempts: 0\n", "router.yaml:3: types: a"},
		{"types:\n  a:\n    attempts: many\n", "router.yaml:3: types: a"},
		{"types:\n  a:\n    base: -1s\n", "router.yaml:3: types: a"},
		{"types:\n  a:\n    factor: 0.5\n", "router.yaml:3: types: a: factor"},
		{"types:\n  a:\n    timeout: 0\n", "router.yaml:3: types: a"},
		{"types:\n  a:\n    max: [1s]\n", "router.yaml:3: types: a: max"},
		{"types:\n  a: {base: 5s, max: 1s}\n", "router.yaml:2: types: a: max is less than base"},
	};
	struct types *ts = NULL;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};
		if (read(rows[i].yaml, &ts, &e) != ERR_INVALID || !strstr(e.text, rows[i].words))
			fail_msg("%s: %s; want %s", rows[i].yaml, e.text, rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_wins_and_the_rest_stays),
		cmocka_unit_test(nothing_is_fine),
		cmocka_unit_test(what_is_wrong_is_named_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
