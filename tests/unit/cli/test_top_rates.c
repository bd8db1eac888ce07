/* top_rates: sums of many processes' counters that never fall and never jump. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "cli/top_rates.h"
#include "common/buf.h"

static void node(struct top_rates *r, const char *id, double completed, double failed)
{
	CLEANUP(free_ptr)
	char *text = xasprintf("millrace_node_tasks_total{lane=\"a\",outcome=\"completed\"} %g\n"
						   "millrace_node_tasks_total{lane=\"b\",outcome=\"completed\"} %g\n"
						   "millrace_node_tasks_total{lane=\"a\",outcome=\"failed\"} %g\n",
						   completed / 2, completed / 2, failed);

	top_rates_answer(r, "node", id, text, strlen(text));
}

static void a_rate_is_what_lies_between_two_looks(void **state)
{
	struct top_rates *r = top_rates_new();

	(void)state;
	assert_true(isnan(top_rate(r, TOP_COMPLETED)));
	node(r, "one", 1000, 10);
	top_rates_look(r, 1000);
	assert_true(isnan(top_rate(r, TOP_COMPLETED)));
	node(r, "one", 1200, 11);
	node(r, "two", 5000, 0); /* seen for the first time: its past is not now */
	top_rates_look(r, 3000);
	assert_true(top_rate(r, TOP_COMPLETED) == 100);
	assert_true(top_rate(r, TOP_FAILED) == 0.5);
	assert_int_equal(top_components(r, TOP_NODE), 2);
	node(r, "one", 1200, 11);
	node(r, "two", 5020, 0);
	top_rates_look(r, 4000);
	assert_true(top_rate(r, TOP_COMPLETED) == 20);
	top_rates_free(r);
}

static void a_restart_and_a_silence_are_no_work(void **state)
{
	struct top_rates *r = top_rates_new();

	(void)state;
	node(r, "one", 1000, 0);
	node(r, "two", 1000, 0);
	top_rates_look(r, 0);
	node(r, "one again", 3, 0); /* it was restarted: another id, counters from 0 */
	top_rates_look(r, 1000);    /* and two is late */
	assert_true(top_rate(r, TOP_COMPLETED) == 0);
	assert_int_equal(top_components(r, TOP_NODE), 1);
	node(r, "one again", 8, 0);
	node(r, "two", 1010, 0);
	top_rates_look(r, 2000);
	assert_true(top_rate(r, TOP_COMPLETED) == 15);
	for (int i = 0; i < TOP_SILENT_ROUNDS; i++) {
		node(r, "one again", 8, 0);
		top_rates_look(r, 3000 + 1000 * i);
	}
	/* Forgotten by now: its first answer is where it begins anew. */
	node(r, "one again", 8, 0);
	node(r, "two", 9000, 0);
	top_rates_look(r, 20000);
	assert_true(top_rate(r, TOP_COMPLETED) == 0);
	top_rates_free(r);
}

static void the_same_one_twice_in_a_round_counts_once(void **state)
{
	struct top_rates *r = top_rates_new();

	(void)state;
	node(r, "one", 10, 0);
	top_rates_look(r, 0);
	node(r, "one", 20, 0);
	node(r, "one", 20, 0);
	top_rates_look(r, 1000);
	assert_true(top_rate(r, TOP_COMPLETED) == 10);
	assert_int_equal(top_components(r, TOP_NODE), 1);
	top_rates_free(r);
}

/* n tasks up to 10 ms, m up to 1 s, k beyond, of two lanes. */
static void waited(struct top_rates *r, const char *id, int n, int m, int k)
{
	struct buf b = {0};

	for (int lane = 0; lane < 2; lane++)
		buf_printf(&b,
				   "millrace_node_wait_seconds_bucket{lane=\"%d\",le=\"0.01\"} %d\n"
				   "millrace_node_wait_seconds_bucket{lane=\"%d\",le=\"0.5\"} %d\n"
				   "millrace_node_wait_seconds_bucket{lane=\"%d\",le=\"1\"} %d\n"
				   "millrace_node_wait_seconds_bucket{lane=\"%d\",le=\"+Inf\"} %d\n",
				   lane, n, lane, n, lane, n + m, lane, n + m + k);
	top_rates_answer(r, "node", id, b.data, b.len);
	buf_release(&b);
}

static void percentiles_are_of_the_window(void **state)
{
	struct top_rates *r = top_rates_new();

	(void)state;
	waited(r, "a", 0, 0, 1000); /* of long ago: not in it */
	waited(r, "b", 0, 0, 0);
	top_rates_look(r, 0);
	assert_true(isnan(top_wait_ms(r, 0.5)));
	waited(r, "a", 50, 0, 1000);
	waited(r, "b", 40, 10, 0);
	top_rates_look(r, 1000);
	assert_true(fabs(top_wait_ms(r, 0.45) - 5) < 0.001); /* in the middle of the first bucket */
	assert_true(fabs(top_wait_ms(r, 0.95) - 750) < 0.001);
	assert_true(fabs(top_wait_within(r, 0.5) - 0.9) < 1e-9);
	waited(r, "a", 50, 0, 1100);
	waited(r, "b", 40, 10, 0);
	top_rates_look(r, 1000 + TOP_WINDOW_MS);
	assert_true(top_wait_ms(r, 0.5) == 1000); /* beyond the last bound: at least that */
	assert_true(isnan(top_run_ms(r, 0.5)));
	top_rates_look(r, 2000 + 2 * TOP_WINDOW_MS);
	assert_true(isnan(top_wait_ms(r, 0.5)));
	top_rates_free(r);
}

static void the_worst_gauge_counts(void **state)
{
	static const char up[] = "millrace_store_database_up 1\nmillrace_store_lag_messages 5\n";
	static const char down[] = "millrace_store_database_up 0\nmillrace_store_lag_messages 70000\n";
	static const char shed[] = "millrace_router_shed_level 2\n";
	struct top_rates *r = top_rates_new();

	(void)state;
	top_rates_look(r, 0);
	assert_true(isnan(top_database_up(r)) && isnan(top_shed_level(r)));
	top_rates_answer(r, "store", "a", up, sizeof(up) - 1);
	top_rates_answer(r, "store", "b", down, sizeof(down) - 1);
	top_rates_answer(r, "router", "c", shed, sizeof(shed) - 1);
	top_rates_answer(r, "somebody-else", "d", shed, sizeof(shed) - 1);
	top_rates_look(r, 1);
	assert_true(top_database_up(r) == 0);
	assert_true(top_store_lag(r) == 70000);
	assert_true(top_shed_level(r) == 2);
	assert_int_equal(top_components(r, TOP_STORE), 2);
	assert_int_equal(top_components(r, TOP_ROUTER), 1);
	top_rates_free(r);
}

static void looks_beyond_what_is_kept_go(void **state)
{
	struct top_rates *r = top_rates_new();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		node(r, "one", i * 3, 0);
		top_rates_look(r, i * 1000);
	}
	assert_true(top_rate(r, TOP_COMPLETED) == 3);
	top_rates_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_is_what_lies_between_two_looks),
		cmocka_unit_test(a_restart_and_a_silence_are_no_work),
		cmocka_unit_test(the_same_one_twice_in_a_round_counts_once),
		cmocka_unit_test(percentiles_are_of_the_window),
		cmocka_unit_test(the_worst_gauge_counts),
		cmocka_unit_test(looks_beyond_what_is_kept_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
