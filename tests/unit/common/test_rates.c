/* rates: what many processes count, through restarts, silences and newcomers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "common/rates.h"

static void received(struct rates *r, const char *id, int n)
{
	char text[200];

	snprintf(text, sizeof(text), "# TYPE x counter\nmillrace_router_tasks_received_total %d\n", n);
	rates_answer(r, "router", id, 1, 1, text, strlen(text));
}

static void rates_are_of_all_instances_and_survive_restarts(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	assert_true(isnan(rates_per_s(r, RATES_SUBMITTED, 1000)));
	received(r, "one", 1000); /* has counted for days: that is where it begins */
	received(r, "two", 50);
	rates_look(r, 0);
	assert_true(isnan(rates_per_s(r, RATES_SUBMITTED, 1000)));
	received(r, "one", 1010);
	received(r, "two", 55);
	rates_look(r, 1000);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 15);
	received(r, "one", 1020);
	received(r, "three", 7); /* two started again under another id */
	rates_look(r, 2000);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 10);
	assert_true(rates_growth(r, RATES_SUBMITTED, 2000) == 25);
	received(r, "one", 3); /* started again under its name */
	received(r, "three", 9);
	rates_look(r, 3000);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 5);
	rates_free(r);
}

/* A node's name has up to 64 characters; cut, it would be a stranger in each round. */
static void a_long_name_is_known_again(void **state)
{
	static const char name[] = "node-0123456789-0123456789-0123456789-0123456789-0123456789-1234";
	char too_long[RATES_ID_MAX + 2];
	struct rates *r = rates_new();

	(void)state;
	assert_int_equal(strlen(name), 64);
	received(r, name, 10);
	rates_look(r, 0);
	received(r, name, 30);
	rates_look(r, 1000);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 20);
	assert_int_equal(rates_components(r, RATES_ROUTER), 1);
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	received(r, too_long, 10);
	rates_look(r, 2000);
	assert_int_equal(rates_components(r, RATES_ROUTER), 1);
	rates_free(r);
}

static void one_that_is_late_makes_no_sum_fall(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	received(r, "one", 10);
	rates_look(r, 0);
	rates_look(r, 1000); /* silent */
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 0);
	assert_int_equal(rates_components(r, RATES_ROUTER), 1);
	received(r, "one", 30);
	rates_look(r, 2000);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 20);
	for (int i = 0; i < RATES_SILENT_ROUNDS; i++)
		rates_look(r, 3000 + i * 1000);
	assert_int_equal(rates_components(r, RATES_ROUTER), 0);
	rates_free(r);
}

static void a_round_is_over_when_all_who_are_known_have_answered(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	assert_false(rates_answered_all(r));
	received(r, "one", 1);
	received(r, "two", 1);
	assert_true(rates_answered_all(r));
	rates_look(r, 0);
	received(r, "two", 2);
	assert_false(rates_answered_all(r));
	received(r, "one", 2);
	assert_true(rates_answered_all(r));
	rates_look(r, 1000);
	received(r, "one", 2); /* two is gone: it is waited for once */
	assert_false(rates_answered_all(r));
	rates_look(r, 2000);
	received(r, "one", 2);
	assert_true(rates_answered_all(r));
	rates_free(r);
}

static void waited(struct rates *r, int quick, int slow)
{
	char text[800];

	snprintf(text, sizeof(text),
			 "millrace_node_wait_seconds_bucket{lane=\"a\",le=\"0.1\"} %d\n"
			 "millrace_node_wait_seconds_bucket{lane=\"a\",le=\"0.5\"} %d\n"
			 "millrace_node_wait_seconds_bucket{lane=\"a\",le=\"1\"} %d\n"
			 "millrace_node_wait_seconds_bucket{lane=\"a\",le=\"+Inf\"} %d\n"
			 "millrace_node_wait_seconds_count{lane=\"a\"} %d\n"
			 "millrace_node_wait_seconds_bucket{lane=\"b\",le=\"0.1\"} 0\n"
			 "millrace_node_wait_seconds_bucket{lane=\"b\",le=\"+Inf\"} 0\n",
			 quick, quick, quick + slow, quick + slow, quick + slow);
	rates_answer(r, "node", "n", 1, 1, text, strlen(text));
}

static void percentiles_are_of_the_window_alone(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	waited(r, 1000, 1000); /* before we looked */
	rates_look(r, 0);
	assert_true(isnan(rates_wait_ms(r, 0.5, 1000)));
	waited(r, 1090, 1010); /* 90 within 0.1 s, 10 between 0.5 and 1 */
	rates_look(r, 1000);
	assert_true(rates_wait_ms(r, 0.5, 1000) > 0 && rates_wait_ms(r, 0.5, 1000) <= 100);
	assert_true(rates_wait_ms(r, 0.95, 1000) > 500 && rates_wait_ms(r, 0.95, 1000) <= 1000);
	assert_true(fabs(rates_wait_within(r, 0.5, 1000) - 0.9) < 1e-9);
	assert_true(rates_per_s(r, RATES_STARTED, 1000) == 100);
	waited(r, 1090, 1010);
	rates_look(r, 2000);
	assert_true(isnan(rates_wait_ms(r, 0.95, 1000))); /* nothing ran */
	assert_true(rates_wait_ms(r, 0.95, 2000) > 500);  /* but in the longer one */
	rates_free(r);
}

static void the_same_one_twice_in_a_round_counts_once(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	received(r, "one", 10);
	rates_look(r, 0);
	received(r, "one", 20);
	received(r, "one", 20);
	rates_look(r, 1000);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 1000) == 10);
	assert_int_equal(rates_components(r, RATES_ROUTER), 1);
	rates_free(r);
}

static void percentiles_lie_within_their_bucket(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	waited(r, 0, 0);
	rates_look(r, 0);
	waited(r, 90, 10);
	rates_look(r, 1000);
	assert_true(fabs(rates_wait_ms(r, 0.45, 1000) - 50) < 0.001); /* the middle of the first */
	assert_true(fabs(rates_wait_ms(r, 0.95, 1000) - 750) < 0.001);
	const char *beyond = "millrace_node_wait_seconds_bucket{le=\"1\"} 0\n"
						 "millrace_node_wait_seconds_bucket{le=\"+Inf\"} 5\n";
	rates_answer(r, "node", "other", 1, 1, "", 0);
	rates_look(r, 2000);
	rates_answer(r, "node", "other", 1, 1, beyond, strlen(beyond));
	rates_look(r, 3000);
	assert_true(rates_wait_ms(r, 0.5, 1000) == 1000); /* beyond the last bound: at least that */
	rates_free(r);
}

static void an_answer_in_parts_counts_once_it_is_whole(void **state)
{
	struct rates *r = rates_new();
	static const char *const halves[] = {
		"millrace_node_tasks_total{outcome=\"completed\"} 10\n",
		"millrace_node_tasks_total{outcome=\"completed\",lane=\"b\"} 5\n"};

	(void)state;
	rates_answer(r, "node", "n", 1, 2, halves[0], strlen(halves[0]));
	assert_false(rates_answered_all(r));
	rates_answer(r, "node", "n", 2, 2, halves[1], strlen(halves[1]));
	assert_true(rates_answered_all(r));
	rates_look(r, 0);
	/* The first part got lost: what it said before stands. */
	rates_answer(r, "node", "n", 2, 2, halves[1], strlen(halves[1]));
	rates_look(r, 1000);
	assert_true(rates_growth(r, RATES_COMPLETED, 1000) == 0);
	rates_answer(r, "node", "n", 1, 2, halves[0], strlen(halves[0]));
	rates_answer(r, "node", "n", 2, 2, halves[0], strlen(halves[0]));
	rates_look(r, 2000);
	assert_true(rates_growth(r, RATES_COMPLETED, 1000) == 5); /* 20 now, 15 before */
	rates_free(r);
}

static void gauges_tell_the_worst(void **state)
{
	struct rates *r = rates_new();
	const char *good = "millrace_store_database_up 1\nmillrace_store_lag_messages 5\n"
					   "millrace_audit_drift{lane=\"a\"} 1\nmillrace_audit_drift{lane=\"b\"} 2\n";
	const char *bad = "millrace_store_database_up 0\nmillrace_store_lag_messages 9\n";

	(void)state;
	assert_true(isnan(rates_database_up(r)));
	rates_answer(r, "store", "a", 1, 1, good, strlen(good));
	rates_look(r, 0);
	assert_true(rates_database_up(r) == 1);
	rates_answer(r, "store", "a", 1, 1, good, strlen(good));
	rates_answer(r, "store", "b", 1, 1, bad, strlen(bad));
	rates_look(r, 1000);
	assert_true(rates_database_up(r) == 0);
	assert_true(rates_store_lag(r) == 9);
	assert_true(rates_drift(r) == 3);
	assert_int_equal(rates_components(r, RATES_STORE), 2);
	rates_free(r);
}

static void many_looks_are_a_ring(void **state)
{
	struct rates *r = rates_new();

	(void)state;
	for (int i = 0; i < 3 * RATES_LOOKS; i++) {
		received(r, "one", i * 2);
		rates_look(r, (int64_t)i * 1000);
	}
	assert_int_equal(rates_looks(r), RATES_LOOKS);
	assert_true(rates_per_s(r, RATES_SUBMITTED, 10000) == 2);
	assert_true(rates_growth(r, RATES_SUBMITTED, 10000) == 20);
	assert_true(rates_growth(r, RATES_SUBMITTED, 1000000) == 2 * (RATES_LOOKS - 1));
	rates_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_of_all_instances_and_survive_restarts),
		cmocka_unit_test(a_long_name_is_known_again),
		cmocka_unit_test(one_that_is_late_makes_no_sum_fall),
		cmocka_unit_test(a_round_is_over_when_all_who_are_known_have_answered),
		cmocka_unit_test(percentiles_are_of_the_window_alone),
		cmocka_unit_test(the_same_one_twice_in_a_round_counts_once),
		cmocka_unit_test(percentiles_lie_within_their_bucket),
		cmocka_unit_test(an_answer_in_parts_counts_once_it_is_whole),
		cmocka_unit_test(gauges_tell_the_worst),
		cmocka_unit_test(many_looks_are_a_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
