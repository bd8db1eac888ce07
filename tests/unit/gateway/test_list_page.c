/* list_page: pages of a list that is told whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "gateway/list_page.h"

/* The names of a page, and its cursor behind "|". */
static char *page(const char *list, json_int_t limit, const char *cursor)
{
	json_t *all = json_loads(list, 0, NULL), *got, *row;
	const char *next;
	struct buf text = {0};
	size_t i;

	assert_non_null(all);
	got = list_page(all, "name", limit, cursor, &next);
	json_array_foreach (got, i, row)
		buf_printf(&text, "%s ", json_string_value(json_object_get(row, "name")));
	buf_printf(&text, "|%s", next ? next : "");
	json_decref(got);
	json_decref(all);
	return buf_take(&text);
}

#define ABCD "[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"d\"},{\"name\":\"b\"}]"

static void pages_go_by_name_and_end(void **state)
{
	static const struct {
		const char *list;
		json_int_t limit;
		const char *cursor, *told;
	} steps[] = {
		{ABCD, 0, NULL, "a b c d |"},
		{ABCD, 2, NULL, "a b |b"},
		{ABCD, 2, "b", "c d |"},
		{ABCD, 4, NULL, "a b c d |"},
		{ABCD, 3, NULL, "a b c |c"},
		{ABCD, 1, "bb", "c |c"}, /* its row has gone meanwhile */
		{ABCD, 5, "z", "|"},
		{"[{\"name\":7},{},{\"name\":\"a\"}]", 0, NULL, "a |"}, /* a row without a name is none */
		{"[]", 0, NULL, "|"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		char *told = page(steps[i].list, steps[i].limit, steps[i].cursor);

		assert_string_equal(told, steps[i].told);
		free(told);
	}
}

static void a_page_is_bounded(void **state)
{
	json_t *all = json_array(), *got;
	const char *next;

	(void)state;
	for (int i = 0; i < 1500; i++)
		json_array_append_new(all, json_pack("{s:o}", "name", json_sprintf("n%04d", i)));
	got = list_page(all, "name", 100000, NULL, &next);
	assert_int_equal(json_array_size(got), LIST_PAGE_MAX);
	assert_string_equal(next, "n0999");
	json_decref(got);
	json_decref(all);
}

static void nothing_is_an_empty_page(void **state)
{
	json_t *query = json_object(), *got = list_answer(NULL, "name", "rows", query);
	char *text = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);

	(void)state;
	assert_string_equal(text, "{\"next_cursor\":null,\"rows\":[]}");
	free(text);
	json_decref(got);
	json_decref(query);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_go_by_name_and_end),
		cmocka_unit_test(a_page_is_bounded),
		cmocka_unit_test(nothing_is_an_empty_page),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
