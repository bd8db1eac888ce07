#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/http_path.h"

static void escapes_are_text_or_nothing(void **state)
{
	static const struct {
		const char *in, *out;
	} is[] = {
		{"/a", "/a"},   {"", ""},      {"%41%2f%c3%a9", "A/\xc3\xa9"},
		{"a+b", "a+b"}, {"%", NULL},   {"%4", NULL},
		{"%4g", NULL},  {"%00", NULL}, {"%ff", NULL},
		{"\xff", NULL}, {"%c3", NULL}, {"%ed%a0%80", NULL},
		{"%25", "%"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(is); i++) {
		CLEANUP(free_ptr) char *out = http_decode(is[i].in, strlen(is[i].in));

		if (!out != !is[i].out || (out && !str_eq(out, is[i].out)))
			fail_msg("%s: %s", is[i].in, out ? out : "nothing");
	}
}

static void a_path_belongs_to_a_pattern_as_a_whole(void **state)
{
	static const struct {
		const char *pattern, *path, *value; /* value NULL: no match; "": no piece */
	} is[] = {
		{"/", "/", ""},
		{"/", "/x", NULL},
		{"/", "//", NULL},
		{"/api", "/api", ""},
		{"/api", "/apis", NULL},
		{"/api", "/api/", NULL},
		{"/api/{id}", "/api/7", "7"},
		{"/api/{id}", "/api/", NULL},
		{"/api/{id}", "/api", NULL},
		{"/api/{id}", "/api/7/8", NULL},
		{"/api/{id}", "/api/a%2Fb", "a/b"},
		{"/api/{id}", "/api/..", ".."}, /* a name like another: no path of files is made of it */
		{"/api/{id}", "/api/%00", NULL},
		{"/api/{id}/x", "/api/7/x", "7"},
		{"/api/{id}/x", "/api/7/y", NULL},
		{"/api/{id}/x", "/api//x", NULL},
		{"/s/{key...}", "/s/a/b/c", "a/b/c"},
		{"/s/{key...}", "/s/", NULL},
		{"/s/{key...}", "/s", NULL},
		{"/api", "", NULL},
		{"/api", "*", NULL},
		{"/api", "http://x/api", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(is); i++) {
		struct http_params p = {0};
		bool matches = http_path_match(is[i].pattern, is[i].path, &p);

		if (matches != (is[i].value != NULL) ||
			(matches && !str_eq(p.n ? p.at[0].value : "", is[i].value)))
			fail_msg("%s %s", is[i].pattern, is[i].path);
		http_params_release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(escapes_are_text_or_nothing),
		cmocka_unit_test(a_path_belongs_to_a_pattern_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
