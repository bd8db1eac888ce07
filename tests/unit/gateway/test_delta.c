/* delta: rows that changed, rows that went, and what is no news. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/delta.h"

static const struct delta_slack slack[] = {{"age", 5}, {NULL, 0}};

/* What delta_rows tells, as JSON text: {"changed":…,"removed":…}. */
static char *tell(json_t *told, const char *rows)
{
	json_t *list = json_loads(rows, 0, NULL), *changed, *removed, *both;
	char *text;

	assert_non_null(list);
	delta_rows(told, list, "name", slack, &changed, &removed);
	both = json_pack("{s:o*, s:o*}", "changed", changed, "removed", removed);
	text = json_dumps(both, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(both);
	json_decref(list);
	return text;
}

static void only_what_changed_is_told(void **state)
{
	static const struct {
		const char *rows, *told;
	} steps[] = {
		{"[{\"name\":\"a\",\"n\":1},{\"name\":\"b\",\"n\":1}]",
		 "{\"changed\":[{\"n\":1,\"name\":\"a\"},{\"n\":1,\"name\":\"b\"}]}"},
		{"[{\"name\":\"a\",\"n\":1},{\"name\":\"b\",\"n\":1}]", "{}"},
		{"[{\"name\":\"b\",\"n\":1},{\"name\":\"a\",\"n\":1}]", "{}"}, /* order is none of it */
		{"[{\"name\":\"a\",\"n\":2},{\"name\":\"b\",\"n\":1}]",
		 "{\"changed\":[{\"n\":2,\"name\":\"a\"}]}"},
		{"[{\"name\":\"a\",\"n\":2,\"more\":[1]},{\"name\":\"b\",\"n\":1}]", /* a key more */
		 "{\"changed\":[{\"more\":[1],\"n\":2,\"name\":\"a\"}]}"},
		{"[{\"name\":\"a\",\"n\":2},{\"name\":\"b\",\"n\":1}]", /* and gone again */
		 "{\"changed\":[{\"n\":2,\"name\":\"a\"}]}"},
		{"[{\"name\":\"a\",\"n\":2},{\"name\":\"c\",\"n\":1}]",
		 "{\"changed\":[{\"n\":1,\"name\":\"c\"}],\"removed\":[\"b\"]}"},
		{"[{\"n\":5}]", "{\"removed\":[\"a\",\"c\"]}"}, /* a row without a name is none */
		{"[]", "{}"},
	};
	json_t *told = json_object();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP(free_ptr) char *text = tell(told, steps[i].rows);

		assert_string_equal(text, steps[i].told);
	}
	assert_int_equal(json_object_size(told), 0);
	json_decref(told);
}

static void small_steps_are_no_news_until_they_add_up(void **state)
{
	static const struct {
		const char *row;
		bool news;
	} steps[] = {
		{"[{\"name\":\"a\",\"age\":0.5}]", true},  {"[{\"name\":\"a\",\"age\":4.0}]", false},
		{"[{\"name\":\"a\",\"age\":5.4}]", false}, {"[{\"name\":\"a\",\"age\":5.6}]", true},
		{"[{\"name\":\"a\",\"age\":6}]", false},   {"[{\"name\":\"a\",\"age\":0.1}]", true},
		{"[{\"name\":\"a\",\"age\":null}]", true}, /* no number: as any other change */
		{"[{\"name\":\"a\",\"age\":0}]", true},
	};
	json_t *told = json_object();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP(free_ptr) char *text = tell(told, steps[i].row);

		assert_int_equal(strcmp(text, "{}") != 0, steps[i].news);
	}
	json_decref(told);
}

static void the_list_is_what_was_told(void **state)
{
	json_t *told = json_object(), *list;

	(void)state;
	free(tell(told, "[{\"name\":\"a\",\"age\":0},{\"name\":\"b\",\"age\":0}]"));
	free(tell(told, "[{\"name\":\"a\",\"age\":1}]"));
	list = delta_list(told);
	char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "[{\"age\":0,\"name\":\"a\"}]");
	free(text);
	json_decref(list);
	json_decref(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_changed_is_told),
		cmocka_unit_test(small_steps_are_no_news_until_they_add_up),
		cmocka_unit_test(the_list_is_what_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
