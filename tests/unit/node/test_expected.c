/* The files of examples/data through hash and stats, against what Python computed (tests/expected.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <jansson.h>

#include "node/handlers/numbers.h"

#define DATA "examples/data/"

static void compare(const char *where, const json_t *got, const json_t *want)
{
	const char *key;
	json_t *v;
	size_t i;
	if (json_is_object(want)) {
		json_object_foreach((json_t *)want, key, v) {
			char below[300];
			snprintf(below, sizeof below, "%.200s.%.64s", where, key);
			compare(below, json_object_get(got, key), v);
		}
		assert_int_equal(json_object_size(got), json_object_size(want));
	} else if (json_is_array(want)) {
		assert_int_equal(json_array_size(got), json_array_size(want));
		json_array_foreach(want, i, v) {
			compare(where, json_array_get(got, i), v);
		}
	} else if (json_is_number(want)) {
		double g = json_number_value(got), w = json_number_value(want);
		if (!json_is_number(got) || fabs(g - w) > 1e-9 * fmax(1, fabs(w)))
			fail_msg("%s: %.17g, not %.17g", where, g, w);
	} else if (!json_equal(got, want)) {
		fail_msg("%s differs", where);
	}
}

static char *contents(const char *name, size_t *ret_len)
{
	char path[300];
	snprintf(path, sizeof path, DATA "%.200s", name);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		fail_msg("cannot open %s", path);
	char *data = xcalloc(1, 1 << 20);
	*ret_len = fread(data, 1, (1 << 20) - 1, f);
	fclose(f);
	return data;
}

static void tables_are_described_as_python_does(void **state)
{
	(void)state;
	json_t *all = json_load_file(DATA "expected.json", 0, NULL);
	assert_non_null(all);
	const char *name;
	json_t *want;
	unsigned tables = 0;
	json_object_foreach(json_object_get(all, "files"), name, want) {
		const json_t *stats = json_object_get(want, "stats");
		if (stats == NULL)
			continue;
		size_t len;
		CLEANUP(free_ptr) char *text = contents(name, &len);
		CLEANUP(buf_release) struct buf out = {0};
		struct err e = {0};
		if (numbers_describe(NULL, text, len, &out, &e) < 0)
			fail_msg("%s: %s", name, e.text);
		json_t *got = json_loadb(out.data, out.len, 0, NULL);
		compare(name, got, stats);
		json_decref(got);
		tables++;
	}
	assert_true(tables >= 3);
	json_decref(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(tables_are_described_as_python_does)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
