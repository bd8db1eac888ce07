/* cors: which origins are allowed, letter by letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/cors.h"

static void an_origin_is_allowed_as_it_is_written(void **state)
{
	static const struct {
		const char *origins, *origin;
		bool allowed;
	} table[] = {
		{NULL, "https://a.example", false},
		{"", "https://a.example", false},
		{"https://a.example", "https://a.example", true},
		{"https://b.example, https://a.example", "https://a.example", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "https://a.example:444", false},
		{"https://a.example", "https://a.example.evil", false},
		{"https://a.example", "https://evil-a.example", false},
		{"https://a.example", "https://a.exampl", false},
		{"https://a.example", "null", false},
		{"https://a.example", NULL, false},
		{"https://a.example", "", false},
		{"https://a.example,https://b.example", "https://a.example,https://b.example", false},
		{"http://localhost:3000", "http://localhost:3000", true},
		{"*", "https://whoever.example", true},
		{"*", "null", false},
		{"*", "https://a b", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		assert_int_equal(cors_allows(table[i].origins, table[i].origin), table[i].allowed);
}

static void what_is_no_origin_stops_the_start(void **state)
{
	static const char *const good[] = {NULL, "", "*", "https://a.example",
									   " http://[::1]:80 , https://b"};
	static const char *const bad[] = {
		"a.example", "https://a.example/", "https://a.example/x", "https://",
		"://a",      "https://*.example",  "https://u@a.example", "https://a,b"};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(cors_check(good[i], &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(cors_check(bad[i], &e), ERR_INVALID);
		assert_non_null(strstr(e.text, "http.cors_origins"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_origin_is_allowed_as_it_is_written),
		cmocka_unit_test(what_is_no_origin_stops_the_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
