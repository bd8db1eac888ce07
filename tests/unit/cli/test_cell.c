/* cell: JSON values as the text of a cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cell.h"

static void values_read_well_for_people_and_exactly_for_programs(void **state)
{
	static const struct {
		const char *json;
		enum cli_cell kind;
		const char *human, *exact;
	} rows[] = {
		{"\"x\"", CELL_TEXT, "x", "x"},
		{"null", CELL_TEXT, "", ""},
		{"true", CELL_TEXT, "yes", "yes"},
		{"[\"gpu\",\"big\"]", CELL_TEXT, "gpu,big", "gpu,big"},
		{"[]", CELL_TEXT, "", ""},
		{"{\"a\":\"1\",\"b\":2}", CELL_TEXT, "a=1 b=2", "a=1 b=2"},
		{"[{\"a\":1}]", CELL_TEXT, "{\"a\":1}", "{\"a\":1}"},
		{"42", CELL_NUMBER, "42", "42"},
		{"0.25", CELL_NUMBER, "0.25", "0.25"},
		{"512", CELL_BYTES, "512 B", "512"},
		{"1536", CELL_BYTES, "1.5 KiB", "1536"},
		{"1073741824", CELL_BYTES, "1.0 GiB", "1073741824"},
		{"\"?\"", CELL_BYTES, "?", "?"},
		{"0.25", CELL_DURATION_MS, "250µs", "0.25"},
		{"12.34", CELL_DURATION_MS, "12.3ms", "12.34"},
		{"1500", CELL_DURATION_MS, "1.5s", "1500"},
		{"61000", CELL_DURATION_MS, "1m01s", "61000"},
		{"3660000", CELL_DURATION_MS, "1h01m", "3660000"},
		{"\"1970-01-01T00:16:30Z\"", CELL_AGE, "10s ago", "1970-01-01T00:16:30Z"},
		{"\"1970-01-01T00:16:50Z\"", CELL_AGE, "in 10s", "1970-01-01T00:16:50Z"},
		{"\"1970-01-01T00:00:00Z\"", CELL_AGE, "16m ago", "1970-01-01T00:00:00Z"},
		{"\"never\"", CELL_AGE, "never", "never"},
		{"\"dead\"", CELL_STATE, "dead", "dead"},
	};
	const int64_t now = 1000 * NS_PER_S;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf human = {0};
		CLEANUP(buf_release) struct buf exact = {0};
		json_t *v = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);

		cell_add(&human, v, rows[i].kind, true, now);
		cell_add(&exact, v, rows[i].kind, false, now);
		assert_string_equal(human.data ? human.data : "", rows[i].human);
		if (rows[i].exact[0])
			assert_string_equal(exact.data, rows[i].exact);
		json_decref(v);
	}
}

static void an_absent_value_is_an_empty_cell(void **state)
{
	CLEANUP(buf_release) struct buf out = {0};

	(void)state;
	cell_add(&out, NULL, CELL_TEXT, true, 0);
	assert_int_equal(out.len, 0);
}

static void states_have_their_colours(void **state)
{
	(void)state;
	assert_string_equal(cell_paint("completed"), "\x1b[32m");
	assert_string_equal(cell_paint("dead"), "\x1b[31m");
	assert_null(cell_paint("queued"));
	assert_null(cell_paint(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_read_well_for_people_and_exactly_for_programs),
		cmocka_unit_test(an_absent_value_is_an_empty_cell),
		cmocka_unit_test(states_have_their_colours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
