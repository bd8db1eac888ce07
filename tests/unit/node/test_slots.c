/* slots: what a node may still take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/slots.h"

static void credits_and_runs_share_the_slots(void **state)
{
	(void)state;
	struct slots s = {.total = 10, .bytes_max = 1000};

	assert_int_equal(slots_free(&s), 10);
	slots_ask(&s, 6, 100);
	assert_int_equal(slots_free(&s), 4);
	slots_begin(&s, true, 10);
	assert_int_equal(s.asked, 5);
	assert_int_equal(slots_free(&s), 4);
	slots_finish(&s, 20);
	assert_int_equal(slots_free(&s), 5);
	slots_ask_ended(&s, 5, 100);
	assert_int_equal(slots_free(&s), 10);
	assert_false(slots_idle(&s)); /* an outcome waits */
	slots_settle(&s, 30);
	assert_true(slots_idle(&s));
	assert_int_equal(s.bytes_held, 0);
}

static void what_was_not_asked_for_takes_a_slot_all_the_same(void **state)
{
	(void)state;
	struct slots s = {.total = 1};

	slots_begin(&s, false, 0);
	slots_begin(&s, false, 0);
	assert_int_equal(s.running, 2);
	assert_int_equal(slots_free(&s), 0);
	slots_finish(&s, 0);
	assert_int_equal(slots_free(&s), 0);
	slots_finish(&s, 0);
	assert_int_equal(slots_free(&s), 1);
}

static void declined_deliveries_give_their_credit_back(void **state)
{
	(void)state;
	struct slots s = {.total = 4};

	slots_ask(&s, 2, 0);
	slots_decline(&s, true);
	slots_decline(&s, false);
	assert_int_equal(s.asked, 1);
	assert_int_equal(s.running, 0);
}

static void waiting_outcomes_stop_the_asking(void **state)
{
	(void)state;
	struct slots s = {.total = 4, .unsettled = SLOTS_UNSETTLED_MAX};

	assert_int_equal(slots_free(&s), 4);
	s.unsettled += 3;
	assert_int_equal(slots_free(&s), 1);
	s.unsettled += 10;
	assert_int_equal(slots_free(&s), 0);
}

static void bytes_asked_and_held_are_bounded(void **state)
{
	(void)state;
	struct slots s = {.total = 4, .bytes_max = 100};

	slots_ask(&s, 1, 60);
	assert_int_equal(slots_bytes_free(&s), 40);
	slots_begin(&s, true, 30);
	slots_finish(&s, 25);
	assert_int_equal(slots_bytes_free(&s), 0);
	slots_forget_result(&s, 25);
	assert_int_equal(slots_bytes_free(&s), 10);
	slots_ask_ended(&s, 0, 60);
	slots_settle(&s, 30);
	assert_int_equal(slots_bytes_free(&s), 100);
}

static void counters_never_fall_below_zero(void **state)
{
	(void)state;
	struct slots s = {.total = 2, .bytes_max = 10};

	slots_ask_ended(&s, 5, 5);
	slots_settle(&s, 5);
	slots_decline(&s, true);
	assert_true(slots_idle(&s));
	assert_int_equal(slots_free(&s), 2);
	assert_int_equal(slots_bytes_free(&s), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credits_and_runs_share_the_slots),
		cmocka_unit_test(what_was_not_asked_for_takes_a_slot_all_the_same),
		cmocka_unit_test(declined_deliveries_give_their_credit_back),
		cmocka_unit_test(waiting_outcomes_stop_the_asking),
		cmocka_unit_test(bytes_asked_and_held_are_bounded),
		cmocka_unit_test(counters_never_fall_below_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
