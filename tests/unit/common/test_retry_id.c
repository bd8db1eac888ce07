/* How the next try of a task is called: always the same, always an id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/retry_id.h"

static void the_next_try_counts_on(void **state UNUSED)
{
	static const struct {
		const char *id, *next;
	} rows[] = {
		{"a", "a.r1"},
		{"a.r1", "a.r2"},
		{"a.r9", "a.r10"},
		{"order-42", "order-42.r1"},
		{"a.b.r3", "a.b.r4"},
		{"a.r0", "a.r0.r1"},
		{"a.r01", "a.r01.r1"},
		{"a.rx", "a.rx.r1"},
		{"a-r1", "a-r1.r1"},
		{"r1", "r1.r1"},
		{"a.r", "a.r.r1"},
		{"a.r1.r2", "a.r1.r3"},
		{"a.r999999999", "a.r1000000000"},
		{"a.r1000000000", "a.r1000000000.r1"},
		{"17", "17.r1"},
	};
	char out[TASK_ID_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		retry_id_next(rows[i].id, out);
		if (!str_eq(out, rows[i].next))
			fail_msg("after %s comes %s, not %s", rows[i].id, out, rows[i].next);
	}
}

static void every_length_gives_an_id(void **state UNUSED)
{
	char id[TASK_ID_MAX + 1], out[TASK_ID_MAX + 1], again[TASK_ID_MAX + 1];

	for (size_t len = 1; len <= TASK_ID_MAX; len++) {
		memset(id, 'x', len);
		id[len] = '\0';
		snprintf(out, sizeof(out), "%s", id);
		for (int n = 0; n < 12; n++) {
			char before[TASK_ID_MAX + 1];
			memcpy(before, out, sizeof(before));
			retry_id_next(before, out);
			retry_id_next(before, again);
			assert_true(task_id_ok(out, strlen(out)));
			assert_string_equal(out, again);
			assert_string_not_equal(out, before);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_try_counts_on),
		cmocka_unit_test(every_length_gives_an_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
