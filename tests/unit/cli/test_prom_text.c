/* prom_text: samples of the Prometheus text format, whatever stands between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "cli/prom_text.h"

static void samples_come_one_by_one(void **state)
{
	static const char text[] = "# HELP a_total what\n# TYPE a_total counter\n"
							   "a_total 5\n"
							   "b{lane=\"x\",outcome=\"completed\"} 1.5 1700000000\n"
							   "c{le=\"+Inf\"}\t7\r\n"
							   "\n"
							   "d{q=\"a}b\\\"c\"} -2";
	static const struct {
		const char *name, *labels;
		double value;
	} rows[] = {
		{"a_total", "", 5},
		{"b", "lane=\"x\",outcome=\"completed\"", 1.5},
		{"c", "le=\"+Inf\"", 7},
		{"d", "q=\"a}b\\\"c\"", -2},
	};
	const char *at = text, *end = text + sizeof(text) - 1;
	struct prom_sample s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_true(prom_next(&at, end, &s));
		assert_true(prom_is(&s, rows[i].name));
		assert_int_equal(s.labels_len, strlen(rows[i].labels));
		assert_true(s.labels_len == 0 || memcmp(s.labels, rows[i].labels, s.labels_len) == 0);
		assert_true(s.value == rows[i].value);
	}
	assert_false(prom_next(&at, end, &s));
}

static void what_is_no_sample_is_passed_over(void **state)
{
	static const char text[] =
		"{x=\"y\"} 1\nname\nname{open=\"x\" 3\nname abc\nname 1e400x\ngood 1\n";
	const char *at = text;
	struct prom_sample s;

	(void)state;
	assert_true(prom_next(&at, text + sizeof(text) - 1, &s));
	assert_true(prom_is(&s, "good"));
	assert_false(prom_next(&at, text + sizeof(text) - 1, &s));
	at = text;
	assert_false(prom_next(&at, text, &s));
}

static void a_label_is_found_by_its_whole_name(void **state)
{
	static const char text[] = "m{xlane=\"no\",lane=\"a,lane=\\\"b\",le=\"0.5\"} 1";
	const char *at = text;
	struct prom_sample s;
	size_t len;

	(void)state;
	assert_true(prom_next(&at, text + sizeof(text) - 1, &s));
	const char *v = prom_label(&s, "lane", &len);
	assert_non_null(v);
	assert_int_equal(len, strlen("a,lane=\\\"b"));
	v = prom_label(&s, "le", &len);
	assert_non_null(v);
	assert_memory_equal(v, "0.5", 3);
	assert_int_equal(len, 3);
	assert_null(prom_label(&s, "l", &len));
	assert_null(prom_label(&s, "b", &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_come_one_by_one),
		cmocka_unit_test(what_is_no_sample_is_passed_over),
		cmocka_unit_test(a_label_is_found_by_its_whole_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
