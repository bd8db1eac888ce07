/* The state machine of a supervised process, and the order in which things start and stop. */
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/dev_component.h"

static void backoff_doubles_to_ten_seconds(void **state)
{
	static const struct {
		unsigned failures;
		int64_t ms;
	} rows[] = {{0, 0},    {1, 200},   {2, 400},    {3, 800},     {4, 1600},
	            {5, 3200}, {6, 6400},  {7, 10000},  {8, 10000},   {64, 10000},
	            {65, 10000}, {4000000000u, 10000}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(component_backoff_ms(rows[i].failures), rows[i].ms);
}

static void what_ends_soon_waits_longer_each_time(void **state)
{
	struct component c = {.kind = COMPONENT_ROUTER};

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		component_started(&c, 100, 1, 0);
		assert_int_equal(c.state, COMPONENT_STARTING);
		component_ready(&c, 10);
		assert_int_equal(c.state, COMPONENT_READY);
		component_ended(&c, false, "signal 9 (Killed)", 20);
		assert_int_equal(c.state, COMPONENT_WAITING);
		assert_int_equal(c.failures, i);
		assert_int_equal(c.due_ms, 20 + component_backoff_ms(i));
		assert_int_equal(c.pid, 0);
	}
	assert_string_equal(c.last_end, "signal 9 (Killed)");
	assert_int_equal(c.restarts, 3);
}

static void what_ran_long_starts_again_soon(void **state)
{
	struct component c = {.kind = COMPONENT_STORE, .failures = 5};

	(void)state;
	component_started(&c, 100, 1, 0);
	component_ready(&c, 0);
	component_ended(&c, false, "exit status 1", 60000);
	assert_int_equal(c.failures, 1);
	assert_int_equal(c.due_ms, 60200);
}

static void setup_that_ended_well_is_done(void **state)
{
	struct component good = {.kind = COMPONENT_SETUP}, bad = {.kind = COMPONENT_SETUP};

	(void)state;
	component_started(&good, 5, 1, 0);
	component_ended(&good, true, "exit status 0", 1);
	assert_true(good.done);
	assert_int_equal(good.state, COMPONENT_HELD);
	component_started(&bad, 5, 1, 0);
	component_ended(&bad, false, "exit status 1", 1);
	assert_false(bad.done);
	assert_int_equal(bad.state, COMPONENT_WAITING);
}

static void a_stopped_one_stays_away(void **state)
{
	struct component c = {.kind = COMPONENT_NODE};

	(void)state;
	component_started(&c, 7, 1, 0);
	assert_true(component_stop(&c, 100));
	assert_int_equal(c.state, COMPONENT_STOPPING);
	assert_int_equal(c.due_ms, 100 + component_stop_ms(COMPONENT_NODE));
	assert_false(component_stop(&c, 101)); /* its signal is sent once */
	component_ready(&c, 102);              /* too late to be ready */
	assert_int_equal(c.state, COMPONENT_STOPPING);
	component_ended(&c, false, "signal 15 (Terminated)", 200);
	assert_int_equal(c.state, COMPONENT_HELD);
	assert_false(component_stop(&c, 201));
}

static void a_node_that_was_told_to_end_stays_away(void **state)
{
	struct component node = {.kind = COMPONENT_NODE}, router = {.kind = COMPONENT_ROUTER};

	(void)state;
	component_started(&node, 7, 1, 0);
	component_ready(&node, 1);
	component_ended(&node, true, "exit status 0", 2);
	assert_int_equal(node.state, COMPONENT_HELD);
	assert_false(node.done);
	component_started(&node, 8, 1, 3);
	component_ready(&node, 4);
	component_ended(&node, false, "exit status 1", 5);
	assert_int_equal(node.state, COMPONENT_WAITING);
	component_started(&router, 9, 1, 0);
	component_ready(&router, 1);
	component_ended(&router, true, "exit status 0", 2);
	assert_int_equal(router.state, COMPONENT_WAITING);
}

static void one_that_waits_is_held_at_once(void **state)
{
	struct component c = {.kind = COMPONENT_NODE};

	(void)state;
	component_started(&c, 7, 1, 0);
	component_ended(&c, false, "exit status 2", 1);
	assert_false(component_stop(&c, 2));
	assert_int_equal(c.state, COMPONENT_HELD);
}

static unsigned place_of(enum component_kind kind)
{
	unsigned n = 0;

	while (component_stop_order(n) != kind && component_stop_order(n) != COMPONENT_KINDS)
		n++;
	return n;
}

static void order_of_stopping_names_each_kind_once(void **state)
{
	bool seen[COMPONENT_KINDS] = {false};
	unsigned n = 0;

	(void)state;
	for (; component_stop_order(n) != COMPONENT_KINDS; n++) {
		assert_false(seen[component_stop_order(n)]);
		seen[component_stop_order(n)] = true;
	}
	assert_int_equal(n, COMPONENT_KINDS);
	/* Nodes drain into a router and store that live; the engines are last. */
	assert_int_equal(component_stop_order(n - 1), COMPONENT_POSTGRES);
	assert_int_equal(component_stop_order(n - 2), COMPONENT_BROKER);
	/* Who brings work goes before those who do it: what it was promised can still be answered. */
	assert_true(place_of(COMPONENT_GATEWAY) < place_of(COMPONENT_NODE));
	assert_true(place_of(COMPONENT_GATEWAY) < place_of(COMPONENT_STORE));
}

static void engines_start_before_setup_before_services(void **state)
{
	(void)state;
	assert_true(component_level(COMPONENT_BROKER) == component_level(COMPONENT_POSTGRES));
	assert_true(component_level(COMPONENT_BROKER) < component_level(COMPONENT_SETUP));
	assert_true(component_level(COMPONENT_SETUP) < component_level(COMPONENT_ROUTER));
	assert_true(component_level(COMPONENT_NODE) < component_level(COMPONENT_LOAD));
	assert_int_equal(component_death_signal(COMPONENT_POSTGRES), SIGQUIT);
	assert_int_equal(component_death_signal(COMPONENT_NODE), SIGKILL);
	assert_int_equal(component_stop_signal(COMPONENT_POSTGRES), SIGINT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_doubles_to_ten_seconds),
		cmocka_unit_test(what_ends_soon_waits_longer_each_time),
		cmocka_unit_test(what_ran_long_starts_again_soon),
		cmocka_unit_test(setup_that_ended_well_is_done),
		cmocka_unit_test(a_stopped_one_stays_away),
		cmocka_unit_test(a_node_that_was_told_to_end_stays_away),
		cmocka_unit_test(one_that_waits_is_held_at_once),
		cmocka_unit_test(order_of_stopping_names_each_kind_once),
		cmocka_unit_test(engines_start_before_setup_before_services),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
