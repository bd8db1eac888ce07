/* Which texts are tables of numbers, and what is said about those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "node/handlers/numbers.h"

static json_t *described(const char *type, const char *text, size_t len)
{
	CLEANUP(buf_release) struct buf out = {0};
	struct err e = {0};
	if (numbers_describe(type, text, len, &out, &e) < 0)
		fail_msg("%s: %s", text, e.text);
	json_t *j = json_loadb(out.data, out.len, 0, NULL);
	assert_non_null(j);
	return j;
}

static void series_are_described_at_once(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"1\n2\n3\n4\n", "1\r\n2\r\n3\r\n4", "\xef\xbb\xbf" "1\n2\n3\n4", "1\n\n2\n3\n\n4\n", "[1, 2, 3, 4]",
		"1,2,3,4\n", "1;2; 3;4", "1, 2, 3, 4", " [1.0, 2e0, \"3\", 4]", "\"1\"\n 2 \n+3\n4.0\n", "\n1\n2\n3\n4",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *j = described(NULL, texts[i], strlen(texts[i]));
		assert_int_equal(json_integer_value(json_object_get(j, "count")), 4);
		assert_float_equal(json_number_value(json_object_get(j, "mean")), 2.5, 1e-12);
		json_decref(j);
	}
}

static json_t *column(json_t *j, const char *name)
{
	json_t *c = json_object_get(json_object_get(j, "columns"), name);
	if (c == NULL)
		fail_msg("no column %s", name);
	return c;
}

static void tables_are_described_by_column(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"city,temp,n\nOslo,1.5,1\n\"Ber\"\"lin, a\",2.5,\nRome,N/A,3\n",
		"city;temp;n\nOslo;1.5;1\nBerlin;2.5;null\nRome;-;3",
		"city\ttemp\tn\r\n\"Os\nlo\"\t1.5\t1\r\nBerlin\t2.5\r\nRome\tNaN\t3\r\n",
		"[{\"city\":\"Oslo\",\"temp\":1.5,\"n\":1},{\"temp\":2.5,\"city\":\"Berlin\"},{\"n\":3,\"city\":\"R\",\"temp\":null}]",
		"{\"city\":[\"Oslo\",\"b\",\"c\"],\"temp\":[1.5,null,2.5],\"n\":[1,3,null],\"title\":\"x\"}",
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *j = described(NULL, texts[i], strlen(texts[i]));
		assert_int_equal(json_integer_value(json_object_get(j, "rows")), 3);
		assert_int_equal(json_object_size(json_object_get(j, "columns")), 2);
		json_t *temp = column(j, "temp"), *n = column(j, "n");
		assert_int_equal(json_integer_value(json_object_get(temp, "count")), 2);
		assert_int_equal(json_integer_value(json_object_get(temp, "missing")), 1);
		assert_float_equal(json_number_value(json_object_get(temp, "mean")), 2, 1e-12);
		assert_int_equal(json_integer_value(json_object_get(n, "missing")), 1);
		json_t *texts_found = json_object_get(j, "text_columns");
		assert_int_equal(json_array_size(texts_found), 1);
		assert_string_equal(json_string_value(json_array_get(texts_found, 0)), "city");
		json_decref(j);
	}
}

static void a_table_without_header_is_named_by_place(void **state)
{
	(void)state;
	json_t *j = described(NULL, "1,10\n2,20\n3,30\n", 15);
	assert_float_equal(json_number_value(json_object_get(column(j, "2"), "mean")), 20, 1e-12);
	assert_int_equal(json_integer_value(json_object_get(j, "rows")), 3);
	json_decref(j);
}

static void one_value_has_null_for_deviation(void **state)
{
	(void)state;
	json_t *j = described("text/csv", "7", 1);
	assert_true(json_is_null(json_object_get(j, "stddev")));
	json_decref(j);
}

static void what_is_no_table_is_refused_with_a_sentence(void **state)
{
	(void)state;
	static const struct {
		const char *type, *text;
		size_t len;
		const char *words;
	} t[] = {
		{NULL, "", 0, "empty"},
		{NULL, "\n\n", 2, "empty"},
		{NULL, "It was a dark night\nand it rained\n", 34, "no column of numbers"},
		{NULL, "a\0b", 3, "NUL"},
		{NULL, "a,b\n1,2,3\n", 10, "line 2 has more cells"},
		{NULL, "a,b\n1,\"2\n", 9, "line 2: a quote"},
		{NULL, "a,a\n1,2\n", 8, "two columns are named"},
		{NULL, "[1, 2", 5, "not JSON"},
		{NULL, "[1e999]", 7, "not JSON"},
		{NULL, "[1, [2]]", 8, "no number"},
		{NULL, "[{\"a\":1}, 2]", 12, "element 2"},
		{NULL, "{\"a\":1}", 7, "no list"},
		{NULL, "[]", 2, "no column of numbers"},
		{"application/json", "3", 1, "not JSON"},
		{NULL, "0x10\ninf\n", 9, "no column of numbers"},
		{NULL, "1e999\n", 6, "no column of numbers"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		CLEANUP(buf_release) struct buf out = {0};
		struct err e = {0};
		assert_int_equal(numbers_describe(t[i].type, t[i].text, t[i].len, &out, &e) < 0, 1);
		if (strstr(e.text, t[i].words) == NULL)
			fail_msg("%s: %s", t[i].text, e.text);
	}
}

static void too_many_columns_are_refused(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = {0}, out = {0};
	for (int i = 0; i <= NUMBERS_COLUMNS_MAX; i++) {
		buf_printf(&b, "%sc%d", i ? "," : "", i);
	}
	buf_add_str(&b, "\n1\n");
	struct err e = {0};
	assert_int_equal(numbers_describe(NULL, b.data, b.len, &out, &e), ERR_TOO_LARGE);
}

static void every_cut_of_a_table_is_survived(void **state)
{
	(void)state;
	static const char csv[] = "a,\"b\"\"c\"\r\n1,\"2\"\n\"x\ny\",3\r\n";
	static const char json[] = "[{\"a\":1,\"b\":[1]},{\"a\":null,\"b\":\"\\u00e9\"}]";
	for (size_t n = 0; n < sizeof csv; n++) {
		CLEANUP(buf_release) struct buf out = {0};
		struct err e = {0};
		CLEANUP(free_ptr) char *cut = xmemdup0(csv, n);
		int rc = numbers_describe(NULL, cut, n, &out, &e);
		assert_true(rc == 0 || e.text[0]);
	}
	for (size_t n = 0; n < sizeof json; n++) {
		CLEANUP(buf_release) struct buf out = {0};
		struct err e = {0};
		CLEANUP(free_ptr) char *cut = xmemdup0(json, n);
		int rc = numbers_describe(NULL, cut, n, &out, &e);
		assert_true(rc == 0 || e.text[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(series_are_described_at_once),
		cmocka_unit_test(tables_are_described_by_column),
		cmocka_unit_test(a_table_without_header_is_named_by_place),
		cmocka_unit_test(one_value_has_null_for_deviation),
		cmocka_unit_test(what_is_no_table_is_refused_with_a_sentence),
		cmocka_unit_test(too_many_columns_are_refused),
		cmocka_unit_test(every_cut_of_a_table_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
