/* A canary's stages, and what stops it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/canary.h"

static void stages_are_one_a_tenth_and_the_rest(void **state UNUSED)
{
	static const struct {
		uint64_t total, one, tenth, rest;
	} rows[] = {
		{0, 0, 0, 0},       {1, 1, 0, 0},
		{2, 1, 0, 1},       {10, 1, 0, 9},
		{11, 1, 1, 9},      {20, 1, 1, 18},
		{95, 1, 9, 85},     {100, 1, 9, 90},
		{1000, 1, 99, 900}, {1000000, 1, 99999, 900000},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(canary_size(CANARY_ONE, rows[i].total), rows[i].one);
		assert_int_equal(canary_size(CANARY_TENTH, rows[i].total), rows[i].tenth);
		assert_int_equal(canary_size(CANARY_REST, rows[i].total), rows[i].rest);
	}
	for (uint64_t n = 0; n < 5000; n++) {
		uint64_t sum = 0;
		for (int s = 0; s < CANARY_STAGES; s++)
			sum += canary_size((enum canary_stage)s, n);
		assert_int_equal(sum, n);
	}
}

static void the_failure_stops_it_and_others_where_they_are_the_rule(void **state UNUSED)
{
	static const struct {
		struct canary_tally t;
		enum canary_verdict verdict;
	} rows[] = {
		{{.replayed = 0}, CANARY_GO},
		{{.replayed = 1}, CANARY_WAIT},
		{{.replayed = 1, .completed = 1}, CANARY_GO},
		{{.replayed = 1, .same = 1}, CANARY_STOP_SAME},
		{{.replayed = 1, .other = 1}, CANARY_STOP_OTHER},
		{{.replayed = 100, .completed = 99, .same = 1}, CANARY_STOP_SAME},
		{{.replayed = 100, .completed = 10, .same = 1}, CANARY_STOP_SAME}, /* not waited for */
		{{.replayed = 100, .completed = 99}, CANARY_WAIT},
		{{.replayed = 100, .completed = 99, .other = 1}, CANARY_GO},
		{{.replayed = 100, .completed = 50, .other = 50}, CANARY_GO},
		{{.replayed = 100, .completed = 49, .other = 51}, CANARY_STOP_OTHER},
		{{.replayed = 100, .other = 99}, CANARY_WAIT},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(canary_judge(&rows[i].t), rows[i].verdict);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_are_one_a_tenth_and_the_rest),
		cmocka_unit_test(the_failure_stops_it_and_others_where_they_are_the_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
