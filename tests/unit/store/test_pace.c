/* When a batch waits for more, and when it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/pace.h"

/* events a message, a message each step_ms, for so long. */
static int64_t feed(struct pace *p, int64_t from_ms, size_t events, int64_t step_ms, int64_t for_ms)
{
	int64_t now = from_ms;
	for (; now < from_ms + for_ms; now += step_ms) {
		pace_count(p, events, now);
	}
	return now;
}

static void an_outcome_goes_at_once(void **state)
{
	(void)state;
	struct pace p = {0};
	int64_t now = feed(&p, 1000000, 3, 1, 500); /* 3,000/s */
	assert_false(p.busy);
	assert_int_equal(pace_due_ms(&p, 1, 0, now, now - 1), 0);
	assert_int_equal(pace_due_ms(&p, 5, 4, now, now - 1), 0);
}

static void what_only_says_queued_waits_a_moment(void **state)
{
	(void)state;
	struct pace p = {0};
	assert_int_equal(pace_due_ms(&p, 4, 4, 1000, 10), 1000 + PACE_OUTCOME_NEAR_MS);
}

static void a_busy_store_lets_batches_grow(void **state)
{
	(void)state;
	struct pace p = {0};
	int64_t now = feed(&p, 1000000, 20, 1, 500); /* 20,000/s */
	assert_true(p.busy);
	assert_int_equal(pace_due_ms(&p, 50, 10, now, now - 30), now - 30 + PACE_BUSY_MS);
}

static void a_burst_is_no_rate(void **state)
{
	(void)state;
	struct pace p = {0};
	int64_t now = feed(&p, 1000000, 2, 1, 400);
	pace_count(&p, 300, now); /* what a stall of the database dammed up */
	now = feed(&p, now + 1, 2, 1, 400);
	assert_false(p.busy);
}

static void an_idle_time_ends_being_busy_with_the_next_message(void **state)
{
	(void)state;
	struct pace p = {0};
	int64_t now = feed(&p, 1000000, 20, 1, 500);
	assert_true(p.busy);
	pace_count(&p, 1, now + 5000);
	assert_false(p.busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_outcome_goes_at_once),
		cmocka_unit_test(what_only_says_queued_waits_a_moment),
		cmocka_unit_test(a_busy_store_lets_batches_grow),
		cmocka_unit_test(a_burst_is_no_rate),
		cmocka_unit_test(an_idle_time_ends_being_busy_with_the_next_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
