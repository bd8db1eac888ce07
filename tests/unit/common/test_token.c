/* token: what may stand in a subject, and how a lane is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/token.h"

#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define HUNDRED_TWENTY SIXTY SIXTY

static void tokens_are_letters_digits_and_single_inner_hyphens(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool token, id;
	} rows[] = {
		{"a", true, true},
		{"echo", true, true},
		{"plugin-x", true, true},
		{"A_9", true, true},
		{"_invalid", true, true},
		{"__", true, true},
		{SIXTY "abcd", true, true},
		{SIXTY "abcde", false, true},
		{HUNDRED_TWENTY "abcdefgh", false, true},
		{HUNDRED_TWENTY "abcdefghi", false, false},
		{"", false, false},
		{"-", false, true},
		{"-a", false, true},
		{"a-", false, true},
		{"a--b", false, true},
		{"a.b", false, true},
		{"a.b.c", false, true},
		{"order-42.r1", false, true},
		{".a", false, false},
		{"a.", false, false},
		{"a..b", false, false},
		{".", false, false},
		{"*", false, false},
		{">", false, false},
		{"a b", false, false},
		{"a\r\nPUB x 0", false, false},
		{"a\t", false, false},
		{"$JS.API", false, false},
		{"a/b", false, false},
		{"caf\303\251", false, false},
		{"a\177", false, false},
		{"a,b", false, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *s = rows[i].text;
		struct err e;
		if (token_ok(s, strlen(s)) != rows[i].token || task_id_ok(s, strlen(s)) != rows[i].id)
			fail_msg("\"%s\"", s);
		assert_int_equal(token_check("type", s, &e), rows[i].token ? 0 : ERR_INVALID);
		assert_int_equal(task_id_check(s, &e), rows[i].id ? 0 : ERR_INVALID);
	}
	assert_false(token_ok(NULL, 0));
	assert_false(token_ok("a\0b", 3));
	assert_false(task_id_ok("a\0b", 3));
	assert_true(token_ok("ab--", 2)); /* only what len covers counts */
	assert_true(task_id_ok("ab..", 2));
}

static void check_says_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"", "type is empty"},
		{NULL, "type is empty"},
		{"a b", "type holds a space;"},
		{"a*", "type holds '*';"},
		{"a\r\nb", "type holds byte 0x0d;"},
		{"a.b", "type holds '.';"},
		{"-a", "type \"-a\" has a \"-\" at an edge"},
		{"a--b", "two together"},
		{SIXTY "abcde", "type has 65 characters, 64 is the most"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;
		assert_int_equal(token_check("type", rows[i].text, &e), ERR_INVALID);
		if (!strstr(e.text, rows[i].words))
			fail_msg("\"%s\": %s", rows[i].text ? rows[i].text : "NULL", e.text);
	}
	struct err e;
	assert_int_equal(task_id_check("a..b", &e), ERR_INVALID);
	assert_string_equal(e.text, "task id \"a..b\" has a \".\" at an edge or two together");
}

static void a_lane_is_the_type_and_its_sorted_capabilities(void **state)
{
	(void)state;
	static const struct {
		const char *type, *requires, *name; /* name NULL: refused */
		unsigned capabilities;
	} rows[] = {
		{"echo", NULL, "echo", 0},
		{"echo", "", "echo", 0},
		{"echo", "  ", "echo", 0},
		{"summarize", "gpu", "summarize--gpu", 1},
		{"summarize", "plugin-x,gpu", "summarize--gpu--plugin-x", 2},
		{"summarize", " plugin-x , gpu\t", "summarize--gpu--plugin-x", 2},
		{"summarize", "gpu,gpu,gpu", "summarize--gpu", 1},
		{"a", "h,g,f,e,d,c,b,a", "a--a--b--c--d--e--f--g--h", 8},
		{"a", "h,g,f,e,d,c,b,a,a,h", "a--a--b--c--d--e--f--g--h", 8},
		{"a", "i,h,g,f,e,d,c,b,a", NULL, 0},
		{"a", "B,a", "a--B--a", 2},
		{"a", "gpu,", NULL, 0},
		{"a", ",gpu", NULL, 0},
		{"a", "gpu,,x", NULL, 0},
		{"a", ",", NULL, 0},
		{"a", "g pu", NULL, 0},
		{"a", "a--b", NULL, 0},
		{"a", "gpu;rm", NULL, 0},
		{"a", "gpu\r\n", NULL, 0},
		{"", "gpu", NULL, 0},
		{"a--b", NULL, NULL, 0},
		{NULL, NULL, NULL, 0},
		{SIXTY "abcd", SIXTY "ab", SIXTY "abcd--" SIXTY "ab", 1}, /* 128 characters */
		{SIXTY "abcd", SIXTY "abc", NULL, 0},
		{"a", SIXTY "abcde", NULL, 0},
		{"a", HUNDRED_TWENTY HUNDRED_TWENTY, NULL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lane l = {0};
		struct err e = {0};
		int rc = lane_make(rows[i].type, rows[i].requires, &l, &e);
		if (rc != (rows[i].name ? 0 : ERR_INVALID))
			fail_msg("row %zu: %d %s", i, rc, e.text);
		if (!rows[i].name) {
			assert_string_equal(l.name, ""); /* untouched */
			continue;
		}
		assert_string_equal(l.name, rows[i].name);
		assert_string_equal(l.type, rows[i].type);
		assert_int_equal(l.capabilities, rows[i].capabilities);
	}
}

static void a_name_parses_back_only_if_it_is_the_one_spelling(void **state)
{
	(void)state;
	static const struct {
		const char *name, *type, *capability[3]; /* type NULL: refused */
	} rows[] = {
		{"echo", "echo", {NULL}},
		{"summarize--gpu", "summarize", {"gpu"}},
		{"a--b--c-d", "a", {"b", "c-d"}},
		{"a--c--b", NULL, {NULL}},
		{"a--b--b", NULL, {NULL}},
		{"a--", NULL, {NULL}},
		{"--a", NULL, {NULL}},
		{"a---b", NULL, {NULL}},
		{"a----b", NULL, {NULL}},
		{"a--b,c", NULL, {NULL}},
		{"a-- b", NULL, {NULL}},
		{"a.b", NULL, {NULL}},
		{"", NULL, {NULL}},
		{HUNDRED_TWENTY "abcdefghi", NULL, {NULL}},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lane l = {0};
		struct err e = {0};
		int rc = lane_parse(rows[i].name, &l, &e);
		if (rc != (rows[i].type ? 0 : ERR_INVALID))
			fail_msg("%s: %d %s", rows[i].name, rc, e.text);
		if (!rows[i].type)
			continue;
		assert_string_equal(l.name, rows[i].name);
		assert_string_equal(l.type, rows[i].type);
		for (unsigned k = 0; k < 3 && rows[i].capability[k]; k++)
			assert_string_equal(l.capability[k], rows[i].capability[k]);
	}
	struct err e;
	struct lane l;
	assert_int_equal(lane_parse(NULL, &l, &e), ERR_INVALID);
	assert_int_equal(lane_parse("a--c--b", &l, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "\"a--b--c\" is"));
}

static void a_lane_is_served_by_who_has_all_its_capabilities(void **state)
{
	(void)state;
	static const struct {
		const char *requires;
		const char *has[3];
		bool served;
	} rows[] = {
		{"", {NULL}, true},
		{"", {"gpu"}, true},
		{"gpu", {NULL}, false},
		{"gpu", {"gpu"}, true},
		{"gpu", {"GPU"}, false},
		{"gpu,x", {"x"}, false},
		{"gpu,x", {"y", "x", "gpu"}, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lane l;
		assert_int_equal(lane_make("t", rows[i].requires, &l, NULL), 0);
		size_t n = 0;
		while (n < 3 && rows[i].has[n])
			n++;
		if (lane_served_by(&l, rows[i].has, n) != rows[i].served)
			fail_msg("row %zu", i);
	}
}

static void classes_have_names(void **state)
{
	(void)state;
	assert_string_equal(task_class_name(CLASS_HIGH), "high");
	assert_string_equal(task_class_name(CLASS_NORMAL), "normal");
	assert_string_equal(task_class_name(CLASS_LOW), "low");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_letters_digits_and_single_inner_hyphens),
		cmocka_unit_test(check_says_what_is_wrong),
		cmocka_unit_test(a_lane_is_the_type_and_its_sorted_capabilities),
		cmocka_unit_test(a_name_parses_back_only_if_it_is_the_one_spelling),
		cmocka_unit_test(a_lane_is_served_by_who_has_all_its_capabilities),
		cmocka_unit_test(classes_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
