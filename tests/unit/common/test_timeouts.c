/* Many timeouts on one timer: each fires once, in order, and a stopped one never. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/timeouts.h"

static uv_loop_t loop;
static int fired[64];
static int order[64];
static int count;

struct numbered {
	struct timeout t;
	int number;
	struct numbered *stops;
};

static void on_fire(struct timeout *t)
{
	struct numbered *n = container_of(t, struct numbered, t);

	fired[n->number]++;
	order[count++] = n->number;
	if (n->stops)
		timeout_stop(&n->stops->t);
}

static int setup(void **state)
{
	(void)state;
	memset(fired, 0, sizeof(fired));
	count = 0;
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	(void)state;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void run_for(int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until && uv_loop_alive(&loop))
		uv_run(&loop, UV_RUN_ONCE);
}

static void fires_in_order_of_due_time(void **state)
{
	struct timeouts *all = timeouts_new(&loop);
	struct numbered n[20];

	(void)state;
	for (int i = 0; i < 20; i++) {
		n[i] = (struct numbered){.number = i};
		timeout_init(&n[i].t, all);
		/* 7 is prime to 20: a permutation of the due times */
		timeout_start(&n[i].t, 5 + (i * 7 % 20) * 3, on_fire);
	}
	run_for(80);
	assert_int_equal(count, 20);
	for (int k = 0; k < 20; k++)
		assert_int_equal(order[k] * 7 % 20, k);
	timeouts_free(all);
}

static void a_stopped_one_never_fires(void **state)
{
	struct timeouts *all = timeouts_new(&loop);
	struct numbered n[10];

	(void)state;
	for (int i = 0; i < 10; i++) {
		n[i] = (struct numbered){.number = i};
		timeout_init(&n[i].t, all);
		timeout_start(&n[i].t, 5 + i, on_fire);
	}
	timeout_stop(&n[0].t);
	timeout_stop(&n[9].t);
	timeout_stop(&n[9].t);
	n[3].stops = &n[4]; /* from within a callback */
	run_for(40);
	assert_int_equal(fired[0] + fired[9] + fired[4], 0);
	assert_int_equal(count, 7);
	assert_false(timeout_running(&n[5].t));
	timeouts_free(all);
}

static void restarting_moves_it(void **state)
{
	struct timeouts *all = timeouts_new(&loop);
	struct numbered late = {.number = 1}, early = {.number = 2};

	(void)state;
	timeout_init(&late.t, all);
	timeout_init(&early.t, all);
	timeout_start(&late.t, 5, on_fire);
	timeout_start(&late.t, 40, on_fire);
	timeout_start(&early.t, 60, on_fire);
	timeout_start(&early.t, 10, on_fire);
	run_for(70);
	assert_int_equal(count, 2);
	assert_int_equal(order[0], 2);
	timeouts_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(fires_in_order_of_due_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_stopped_one_never_fires, setup, teardown),
	    cmocka_unit_test_setup_teardown(restarting_moves_it, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
