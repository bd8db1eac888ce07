/* prom_text: samples, labels, and lines that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "common/prom_text.h"

static void lines_are_samples_or_nothing(void **state)
{
	static const struct {
		const char *text, *name, *label; /* name NULL: no sample; label: the value of x, or NULL */
		double value;
	} rows[] = {
		{"a_total 3\n", "a_total", NULL, 3},
		{"a_total 3", "a_total", NULL, 3}, /* no newline at the end */
		{"a{x=\"1\"} 2.5\n", "a", "1", 2.5},
		{"a{y=\"1\",x=\"b,}\"} 1e3 1700000000\n", "a", "b,}", 1000},
		{"a{x=\"q\\\"}\"} 1\n", "a", "q\\\"}", 1},
		{"a{x=\"\"} +Inf\n", "a", "", (double)INFINITY},
		{"# HELP a b\n", NULL, NULL, 0},
		{"\n", NULL, NULL, 0},
		{"a\n", NULL, NULL, 0},
		{"a{x=\"1\" 2\n", NULL, NULL, 0},
		{"a{x=\"1\"} two\n", NULL, NULL, 0},
		{"a{x 1\n", NULL, NULL, 0},
		{"a{xx=\"1\"} 1\n", "a", NULL, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = rows[i].text, *end = at + strlen(at);
		struct prom_sample s;
		size_t len;

		assert_int_equal(prom_next(&at, end, &s), rows[i].name != NULL);
		if (!rows[i].name)
			continue;
		assert_true(prom_is(&s, rows[i].name));
		assert_true(s.value == rows[i].value);
		const char *label = prom_label(&s, "x", &len);
		assert_int_equal(label != NULL, rows[i].label != NULL);
		if (label && rows[i].label) {
			assert_int_equal(len, strlen(rows[i].label));
			assert_memory_equal(label, rows[i].label, len);
		}
		assert_false(prom_next(&at, end, &s));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_samples_or_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
