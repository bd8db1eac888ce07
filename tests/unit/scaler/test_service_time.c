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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_done_since_counts, begin, end),
		cmocka_unit_test_setup_teardown(a_long_past_weighs_little, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
