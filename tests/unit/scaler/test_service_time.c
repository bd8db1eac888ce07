/* Handler time a task, of what nodes tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "scaler/service_time.h"

static struct pool_config config = {.name = "quick"};
static struct pool pool = {.config = &config};
static struct scaler scaler = {.pools = &pool, .npools = 1};

static void say(const char *node, const char *instance, uint64_t completed, uint64_t busy_ms,
				bool left)
{
	Millrace__NodeStatus status = MILLRACE__NODE_STATUS__INIT;
	struct node_entry n = {.status = &status};

	snprintf(n.name, sizeof(n.name), "%s", node);
	status.pool = config.name;
	status.instance = (char *)(uintptr_t)instance;
	status.completed = completed;
	status.busy_ms = busy_ms;
	service_time_hear(&scaler, &n, left);
}

static double mean(void)
{
	return pool.busy_s / pool.done;
}

static int begin(void **state UNUSED)
{
	pool.busy_s = pool.done = 0;
	return 0;
}

static int end(void **state UNUSED)
{
	service_time_free();
	return 0;
}

static void what_was_done_since_counts(void **state UNUSED)
{
	say("a", "1", 10, 2000, false);
	assert_float_equal(mean(), 0.2, 1e-9);
	say("a", "1", 20, 6000, false);
	assert_float_equal(mean(), 0.3, 1e-9);
	say("a", "1", 20, 6000, false);
	assert_float_equal(pool.done, 20, 1e-9);
	say("a", "2", 5, 5000, false); /* started anew: it counts from nought */
	assert_float_equal(pool.done, 25, 1e-9);
	say("a", "2", 5, 5000, true);
	say("a", "2", 5, 5000, false);
	assert_float_equal(pool.done, 30, 1e-9);
}

/* A scaler that starts beside nodes of long standing is to learn what tasks take now. */
static void a_long_past_weighs_little(void **state UNUSED)
{
	say("a", "1", 1000000, 1000000000, false); /* a million of 1 s */
	assert_float_equal(mean(), 1, 1e-9);
	say("a", "1", 1000900, 1000090000, false); /* 900 of 0.1 s */
	assert_float_equal(mean(), 0.19, 1e-9);
}

/* A thousand quick ones, and then slow ones that fill all slots. */
static void a_crowd_of_slow_tasks_is_seen_while_it_runs(void **state UNUSED)
{
	pool.crowd = (struct crowd){0};
	pool.slots = 20;
	pool.view = (struct policy_view){.now_s = 100, .waiting = 180, .used = 20};
	say("c", "1", 1000, 5, false);
	assert_true(service_time_of(&pool) < 0.001);
	pool.view.now_s = 102; /* what ended in these two seconds may not have been heard of */
	assert_true(service_time_of(&pool) < 0.001);
	pool.view.now_s = 103; /* none has: they take a second at least */
	assert_float_equal(service_time_of(&pool), 1, 1e-6);
	for (int i = 1; i <= 10; i++) { /* twenty a second on twenty slots, heard of two seconds later */
		pool.view.now_s = 103 + i;
		say("c", "1", 1000 + 20 * (uint64_t)(i + 1), 5 + 20000 * (uint64_t)(i + 1), false);
		assert_float_equal(service_time_of(&pool), 1, 0.35);
	}
	/* Slots are free again: the mean counts, which knows of them by now. */
	pool.view.used = 10;
	assert_float_equal(service_time_of(&pool), mean(), 1e-9);
}

static void quick_tasks_in_a_crowd_stay_quick(void **state UNUSED)
{
	pool.crowd = (struct crowd){0};
	pool.slots = 20;
	pool.view = (struct policy_view){.now_s = 100, .waiting = 100000, .used = 20};
	say("d", "1", 1000, 1000, false);
	for (int i = 1; i <= 5; i++) {
		pool.view.now_s = 100 + i;
		say("d", "1", 1000 + 10000 * (uint64_t)i, 1000 + 10000 * (uint64_t)i, false);
		assert_float_equal(service_time_of(&pool), 0.002, 0.0011);
	}
	/* Nobody knows how long they take: a crowd alone does not tell. */
	pool.done = pool.busy_s = 0;
	assert_float_equal(service_time_of(&pool), 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_done_since_counts, begin, end),
		cmocka_unit_test_setup_teardown(a_crowd_of_slow_tasks_is_seen_while_it_runs, begin, end),
		cmocka_unit_test_setup_teardown(quick_tasks_in_a_crowd_stay_quick, begin, end),
		cmocka_unit_test_setup_teardown(a_long_past_weighs_little, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
