/* Members of JSON text, cut out as they were written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json_slice.h"

static void members_are_cut_out_as_written(void **state UNUSED)
{
	static const struct {
		const char *text, *key, *value; /* NULL: not found */
	} rows[] = {
		{"{\"a\":1}", "a", "1"},
		{" { \"a\" : 0.1 , \"b\" : 2 } ", "a", "0.1"},
		{"{\"a\":{\"b\":1},\"b\":2}", "b", "2"},
		{"{\"a\":{\"b\":[1,{\"c\":\"}]\"}]},\"d\":3}", "a", "{\"b\":[1,{\"c\":\"}]\"}]}"},
		{"{\"a\":\"x\\\"b\\\":9\",\"b\":[1, 2]}", "b", "[1, 2]"},
		{"{\"a\":1,\"a\":2}", "a", "2"},
		{"{\"aa\":1}", "a", NULL},
		{"{\"\\u0061\":1}", "a", NULL},
		{"{}", "a", NULL},
		{"[1]", "a", NULL},
		{"", "a", NULL},
		{"{\"a\":123456789012345678901234567890}", "a", "123456789012345678901234567890"},
		/* No valid JSON: whatever comes of it, it stays within the text. */
		{"{\"a", "a", NULL},
		{"{\"b\":\"\\", "a", NULL},
		{"{\"b\":\"\\", "b", "\"\\"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].text), n = 0;
		char *exact = malloc(len ? len : 1); /* so that a step too far is seen */
		const char *value = NULL;
		memcpy(exact, rows[i].text, len);
		bool found = json_slice(exact, len, rows[i].key, &value, &n);
		if (found != (rows[i].value != NULL))
			fail_msg("%s: %s", rows[i].text, rows[i].key);
		if (found) {
			assert_int_equal(n, strlen(rows[i].value));
			assert_memory_equal(value, rows[i].value, n);
		}
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(members_are_cut_out_as_written)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
