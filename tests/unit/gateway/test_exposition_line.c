/* exposition_line: what is a line of Prometheus' text, and what a strict reader would stumble over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "gateway/exposition_line.h"

static struct exposition_line read(const char *line)
{
	struct exposition_line l;

	exposition_line_read(line, strlen(line), &l);
	return l;
}

static void samples_are_read(void **state)
{
	static const struct {
		const char *line, *name, *labels, *value;
	} rows[] = {
		{"up 1", "up", "", "1"},
		{"up{} 1", "up", "", "1"},
		{"a:b_total 1e-05", "a:b_total", "", "1e-05"},
		{"x{a=\"1\"} NaN", "x", "a=\"1\"", "NaN"},
		{"x{a=\"1\",} +Inf", "x", "a=\"1\"", "+Inf"},
		{"x { a = \"1\" , b = \"2\" } -Inf", "x", "a = \"1\" , b = \"2\"", "-Inf"},
		{"x{a=\"}\\\"\\\\\\n,\"}\t-1.5 1700000000000", "x", "a=\"}\\\"\\\\\\n,\"", "-1.5"},
		{"x{a=\"\"} 0 -5", "x", "a=\"\"", "0"},
		{"x{a=\"\xc3\xa9\"} 0 ", "x", "a=\"\xc3\xa9\"", "0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct exposition_line l = read(rows[i].line);

		print_message("%s\n", rows[i].line);
		assert_int_equal(l.what, LINE_SAMPLE);
		assert_true(exposition_text_is(l.name, rows[i].name));
		assert_true(exposition_text_is(l.labels, rows[i].labels));
		assert_true(exposition_text_is(l.value, rows[i].value));
	}
}

static void what_is_no_sample_is_broken(void **state)
{
	static const char *const lines[] = {
		"up",
		"up ",
		"1up 1",
		"up one",
		"up 0x10",
		"up nan",
		"up 1 2 3",
		"up 1 2.5",
		"up 1 -",
		"up 1\r",
		"up-down 1",
		"{a=\"1\"} 1",
		"x{a=\"1\" 1",
		"x{a=\"1\"",
		"x{a=1} 1",
		"x{a=\"1\" b=\"2\"} 1",
		"x{,} 1",
		"x{a=\"1\",,} 1",
		"x{a=\"\\t\"} 1",
		"x{a=\"\\",
		"x{a=\"\xff\"} 1",
		"x{a=\"1\",a=\"2\"} 1",
		"x{a:b=\"1\"} 1",
		"x{component=\"router\"} 1", /* we say who it is */
		"x{instance=\"other\"} 1",
		"x{__name__=\"y\"} 1",
		"# TYPE x guage",
		"# TYPE x",
		"# TYPE 1x gauge",
		"# TYPE x gauge more",
		"# HELP x-y words",
		"# HELP x \xff",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		print_message("%s\n", lines[i]);
		assert_int_equal(read(lines[i]).what, LINE_BROKEN);
	}
}

static void comments_and_blanks_say_nothing(void **state)
{
	(void)state;
	assert_int_equal(read("").what, LINE_NOTHING);
	assert_int_equal(read("  \t").what, LINE_NOTHING);
	assert_int_equal(read("# a word").what, LINE_NOTHING);
	assert_int_equal(read("#").what, LINE_NOTHING);
	assert_int_equal(read("# EOF").what, LINE_NOTHING);
}

static void heads_are_read(void **state)
{
	struct exposition_line l = read("# HELP x_seconds  What it counts.");

	(void)state;
	assert_int_equal(l.what, LINE_HELP);
	assert_true(exposition_text_is(l.name, "x_seconds"));
	assert_true(exposition_text_is(l.text, "What it counts."));
	l = read("# TYPE x_seconds histogram");
	assert_int_equal(l.what, LINE_TYPE);
	assert_int_equal(l.kind, EXPOSITION_HISTOGRAM);
	assert_int_equal(read("# HELP x").what, LINE_HELP);
}

static void a_series_is_known_again_in_any_order_of_labels(void **state)
{
	(void)state;
	assert_true(read("x{a=\"1\",b=\"2\"} 1").series == read("x{b=\"2\",a=\"1\"} 9").series);
	assert_true(read("x{a=\"1\",b=\"2\"} 1").series != read("x{a=\"2\",b=\"1\"} 1").series);
	assert_true(read("x{a=\"1\"} 1").series != read("x{a=\"1\",b=\"2\"} 1").series);
	assert_true(read("x 1").series != read("y 1").series);
	/* Where a value ends matters. */
	assert_true(read("x{a=\"bc\"} 1").series != read("x{ab=\"c\"} 1").series);
}

static void labels_are_found(void **state)
{
	struct exposition_line l = read("x_bucket{lane=\"a\\\"b\",le=\"+Inf\"} 3");
	struct exposition_text t;

	(void)state;
	assert_true(l.has_le);
	assert_true(exposition_label(l.labels, "le", &t));
	assert_true(exposition_text_is(t, "+Inf"));
	assert_true(exposition_label(l.labels, "lane", &t));
	assert_true(exposition_text_is(t, "a\\\"b"));
	assert_false(exposition_label(l.labels, "type", &t));
}

static void a_line_without_end_is_refused(void **state)
{
	static char line[EXPOSITION_LINE_MAX + 2];
	struct exposition_line l;

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line + sizeof(line) - 3, " 1", 3);
	exposition_line_read(line, EXPOSITION_LINE_MAX + 1, &l);
	assert_int_equal(l.what, LINE_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_read),
		cmocka_unit_test(what_is_no_sample_is_broken),
		cmocka_unit_test(comments_and_blanks_say_nothing),
		cmocka_unit_test(heads_are_read),
		cmocka_unit_test(a_series_is_known_again_in_any_order_of_labels),
		cmocka_unit_test(labels_are_found),
		cmocka_unit_test(a_line_without_end_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
