/* A lane's lag by what its stream tells at each look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "scaler/lag.h"

#define WALL_S INT64_C(1700000000)

static void look(struct lag *l, double at_s, struct lag_state s)
{
	lag_look(l, &s, at_s, (WALL_S + (int64_t)at_s) * NS_PER_S);
}

static void arrivals_are_what_the_sequence_grew_by(void **state UNUSED)
{
	struct lag l = {0};

	look(&l, 10, (struct lag_state){.last_seq = 100, .asked = true});
	assert_true(l.arrival_per_s < 0.001);
	look(&l, 12, (struct lag_state){.last_seq = 150, .asked = true});
	assert_float_equal(l.arrival_per_s, 25, 0.001);
	look(&l, 13, (struct lag_state){.last_seq = 150, .asked = true});
	assert_float_equal(l.arrival_per_s, 0, 0.001);
}

static void what_runs_does_not_wait(void **state UNUSED)
{
	struct lag l = {0};

	look(&l, 1, (struct lag_state){.messages = 10, .last_seq = 10, .asked = true, .pending = 4, .unacked = 6, .next_seq = 7});
	assert_int_equal(l.waiting, 4);
	assert_int_equal(l.running, 6);
	/* A stream whose consumers were not asked: all of it may wait. */
	look(&l, 2, (struct lag_state){.messages = 10, .last_seq = 10});
	assert_int_equal(l.waiting, 10);
}

static void the_oldest_is_as_old_as_our_notes_say(void **state UNUSED)
{
	struct lag l = {0};

	for (int i = 0; i <= 20; i++) /* ten a second; nothing is taken after the hundredth */
		look(&l, i, (struct lag_state){.messages = 10 * (uint64_t)i, .last_seq = 10 * (uint64_t)i, .asked = true,
									   .pending = i > 10 ? 10 * (uint64_t)i - 100 : 0,
									   .next_seq = i > 10 ? 101 : 0, .first_wall_ns = WALL_S * NS_PER_S});
	assert_float_equal(l.oldest_s, 9.5, 0.01); /* it came between the looks at 10 and 11 */
	assert_int_equal(l.waiting, 100);
}

static void nothing_that_waits_is_not_old(void **state UNUSED)
{
	struct lag l = {0};

	/* A task runs since long; none waits. */
	look(&l, 500, (struct lag_state){.messages = 1, .last_seq = 9, .asked = true, .unacked = 1, .first_wall_ns = WALL_S * NS_PER_S});
	assert_float_equal(l.oldest_s, 0, 0.001);
}

static void older_than_our_notes_is_as_old_as_the_stream(void **state UNUSED)
{
	struct lag l = {0};

	look(&l, 300, (struct lag_state){.messages = 5, .last_seq = 5, .asked = true, .pending = 5, .next_seq = 1, .first_wall_ns = WALL_S * NS_PER_S});
	assert_float_equal(l.oldest_s, 300, 0.01);
}

static void a_stream_made_anew_begins_anew(void **state UNUSED)
{
	struct lag l = {0};

	look(&l, 1, (struct lag_state){.last_seq = 1000, .asked = true});
	look(&l, 2, (struct lag_state){.last_seq = 3, .messages = 3, .asked = true, .pending = 3, .next_seq = 1});
	assert_int_equal(l.n, 1);
	assert_float_equal(l.arrival_per_s, 0, 0.001);
	assert_int_equal(l.waiting, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrivals_are_what_the_sequence_grew_by),
		cmocka_unit_test(what_runs_does_not_wait),
		cmocka_unit_test(the_oldest_is_as_old_as_our_notes_say),
		cmocka_unit_test(nothing_that_waits_is_not_old),
		cmocka_unit_test(older_than_our_notes_is_as_old_as_the_stream),
		cmocka_unit_test(a_stream_made_anew_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
