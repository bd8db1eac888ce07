/* table: rows of text, aligned or by tabs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/table.h"

static void check(const struct table_column *columns, size_t ncolumns, const char *const *cells,
				  size_t n, enum table_style style, const char *expected)
{
	CLEANUP(buf_release) struct buf out = {0};
	struct table t = {.columns = columns, .ncolumns = ncolumns};

	for (size_t i = 0; i < n; i++)
		table_add(&t, cells[i], NULL);
	table_render(&t, style, &out);
	assert_string_equal(out.data, expected);
	table_release(&t);
}

static const struct table_column two[] = {{"ID", false, 0}, {"N", true, 0}};

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
	static const char *const cells[] = {"a", "1", "abc", "1000"};

	(void)state;
	check(two, 2, cells, 4, TABLE_ALIGNED, "ID      N\na       1\nabc  1000\n");
}

static void characters_are_counted_not_bytes(void **state)
{
	static const char *const cells[] = {"\xc3\xa4\xc3\xb6\xc3\xbc", "1", "abc", "2"};

	(void)state;
	check(two, 2, cells, 4, TABLE_ALIGNED, "ID   N\n\xc3\xa4\xc3\xb6\xc3\xbc  1\nabc  2\n");
}

static void an_empty_table_is_its_head(void **state)
{
	(void)state;
	check(two, 2, NULL, 0, TABLE_ALIGNED, "ID  N\n");
	check(two, 2, NULL, 0, TABLE_TABS, "ID\tN\n");
}

static void a_pipe_gets_tabs_and_whole_cells(void **state)
{
	static const struct table_column cut[] = {{"ID", false, 4}, {"N", true, 0}};
	static const char *const cells[] = {"abcdef", "1"};

	(void)state;
	check(cut, 2, cells, 2, TABLE_TABS, "ID\tN\nabcdef\t1\n");
	check(cut, 2, cells, 2, TABLE_ALIGNED, "ID    N\nabc\xe2\x80\xa6  1\n");
}

static void control_characters_never_get_through(void **state)
{
	static const struct {
		const char *text, *safe;
	} rows[] = {
		{"plain", "plain"},
		{"a\nb\tc", "a\\nb\\tc"},
		{"\x1b[31mred", "\\x1b[31mred"},
		{"\r\x7f", "\\x0d\\x7f"},
		{"\xc2\x9b"
		 "31m",
		 "\\x9b31m"}, /* the one-character CSI */
		{"\xc2\xa0ok", "\xc2\xa0ok"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf out = {0};
		text_add_safe(&out, rows[i].text, strlen(rows[i].text));
		assert_string_equal(out.data ? out.data : "", rows[i].safe);
	}
}

static void paint_does_not_count_as_width(void **state)
{
	CLEANUP(buf_release) struct buf out = {0};
	struct table t = {.columns = two, .ncolumns = 2};

	(void)state;
	table_add(&t, "ok", "\x1b[32m");
	table_add(&t, "1", NULL);
	table_add(&t, "dead", "\x1b[31m");
	table_add(&t, "2", NULL);
	table_render(&t, TABLE_ALIGNED, &out);
	assert_string_equal(out.data, "ID    N\n\x1b[32mok\x1b[0m    1\n\x1b[31mdead\x1b[0m  2\n");
	table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
		cmocka_unit_test(characters_are_counted_not_bytes),
		cmocka_unit_test(an_empty_table_is_its_head),
		cmocka_unit_test(a_pipe_gets_tabs_and_whole_cells),
		cmocka_unit_test(control_characters_never_get_through),
		cmocka_unit_test(paint_does_not_count_as_width),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
