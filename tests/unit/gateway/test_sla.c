/* sla: the share of tasks that ended within the target, over a window, out of counters that come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "gateway/sla.h"

struct told {
	const char *instance;
	unsigned fast, slow, later; /* up to 0.25 s, up to 0.5 s, up to 1 s */
	unsigned beyond;
};

static void add_node(struct exposition *x, const struct told *t)
{
	CLEANUP(buf_release) struct buf text = {0};
	unsigned n = t->fast + t->slow + t->later + t->beyond;
	struct err e;

	buf_add_str(&text, "# TYPE millrace_node_completion_seconds histogram\n");
	/* Two lanes: the other has nothing. */
	for (unsigned lane = 0; lane < 2; lane++) {
		const char *name = lane ? "other" : "echo";
		const unsigned counts[] = {t->fast, t->fast + t->slow, t->fast + t->slow + t->later, n};
		const char *const bounds[] = {"0.25", "0.5", "1", "+Inf"};

		for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
			buf_printf(&text, "millrace_node_completion_seconds_bucket{lane=\"%s\",le=\"%s\"} %u\n",
					   name, bounds[i], lane ? 0 : counts[i]);
		buf_printf(&text,
				   "millrace_node_completion_seconds_sum{lane=\"%s\"} 0\n"
				   "millrace_node_completion_seconds_count{lane=\"%s\"} %u\n",
				   name, name, lane ? 0 : n);
	}
	assert_int_equal(exposition_add(x, "node", t->instance, text.data, text.len, &e), 0);
}

static void take(struct sla *s, int64_t now_ms, const struct told *nodes, size_t n, unsigned dead)
{
	struct exposition *x = exposition_new();
	CLEANUP(free_ptr)
	char *text = xasprintf("# TYPE millrace_store_tasks_dead_total counter\n"
						   "millrace_store_tasks_dead_total{type=\"a\"} %u\n"
						   "millrace_store_tasks_dead_total{type=\"b\"} 0\n",
						   dead);
	struct err e;

	for (size_t i = 0; i < n; i++)
		add_node(x, &nodes[i]);
	assert_int_equal(exposition_add(x, "store", "s", text, strlen(text), &e), 0);
	sla_take(s, x, now_ms);
	exposition_free(x);
}

static void take_one(struct sla *s, int64_t now_ms, struct told node, unsigned dead)
{
	take(s, now_ms, &node, 1, dead);
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void nothing_is_known_before_something_ended(void **state)
{
	struct sla s = {.target_s = 0.5, .window_ms = 60000};

	(void)state;
	assert_true(isnan(sla_compliance(&s, 0)));
	/* What was before the first look is not ours to judge. */
	take_one(&s, 1000, (struct told){"n", 100, 0, 0, 100}, 50);
	assert_true(isnan(sla_compliance(&s, 1000)));
	assert_true(isnan(sla_errors(&s, 1000)));
	take_one(&s, 2000, (struct told){"n", 100, 0, 0, 100}, 50);
	assert_true(isnan(sla_compliance(&s, 2000)));
	sla_release(&s);
}

static void dead_tasks_missed_the_target(void **state)
{
	struct sla s = {.target_s = 0.5, .window_ms = 60000};

	(void)state;
	take_one(&s, 1000, (struct told){"n", 0, 0, 0, 0}, 0);
	take_one(&s, 2000, (struct told){"n", 4, 2, 1, 1}, 2);
	NEAR(sla_compliance(&s, 2000), 0.6);
	NEAR(sla_errors(&s, 2000), 0.2);
	sla_release(&s);
}

static void a_target_between_two_bounds_is_interpolated(void **state)
{
	struct sla s = {.target_s = 0.75, .window_ms = 60000},
			   far = {.target_s = 5, .window_ms = 60000};

	(void)state;
	take_one(&s, 1000, (struct told){"n", 0, 0, 0, 0}, 0);
	take_one(&s, 2000, (struct told){"n", 0, 0, 4, 0}, 0);
	NEAR(sla_compliance(&s, 2000), 0.5);
	/* Beyond the last bound nobody knows. */
	take_one(&far, 1000, (struct told){"n", 0, 0, 0, 0}, 0);
	take_one(&far, 2000, (struct told){"n", 3, 0, 0, 1}, 0);
	NEAR(sla_compliance(&far, 2000), 0.75);
	sla_release(&s);
	sla_release(&far);
}

static void the_window_slides(void **state)
{
	struct sla s = {.target_s = 0.5, .window_ms = 62000};

	(void)state;
	take_one(&s, 0, (struct told){"n", 0, 0, 0, 0}, 0);
	for (unsigned t = 1; t <= 200; t++) /* 100 s of slow ones, then quick ones */
		take_one(&s, t * 1000, (struct told){"n", t > 100 ? t - 100 : 0, 0, 0, MIN_OF(t, 100u)}, 0);
	NEAR(sla_compliance(&s, 200000), 1);
	/* Half of it, then. */
	struct sla half = {.target_s = 0.5, .window_ms = 62000};
	take_one(&half, 0, (struct told){"n", 0, 0, 0, 0}, 0);
	for (unsigned t = 1; t <= 131; t++)
		take_one(&half, t * 1000, (struct told){"n", t > 100 ? t - 100 : 0, 0, 0, MIN_OF(t, 100u)},
				 0);
	NEAR(sla_compliance(&half, 131000), 0.5);
	NEAR(half.totals.completed, 131);
	sla_release(&s);
	sla_release(&half);
}

static void looks_close_together_do_not_push_the_window_out(void **state)
{
	struct sla s = {.target_s = 0.5, .window_ms = 62000};

	(void)state;
	take_one(&s, 0, (struct told){"n", 0, 0, 0, 0}, 0);
	take_one(&s, 1000, (struct told){"n", 0, 0, 0, 10}, 0);
	for (unsigned i = 1; i <= 1000; i++) /* a hundred a second */
		take_one(&s, 1000 + i * 10, (struct told){"n", i > 500 ? 10 : 0, 0, 0, 10}, 0);
	NEAR(sla_compliance(&s, 11000), 0.5);
	sla_release(&s);
}

static void a_process_that_began_anew_and_one_that_comes_and_goes(void **state)
{
	struct sla s = {.target_s = 0.5, .window_ms = 600000};

	(void)state;
	take_one(&s, 1000, (struct told){"a", 50, 0, 0, 50}, 0);
	take_one(&s, 2000, (struct told){"a", 6, 0, 0, 0}, 0); /* restarted, and six since */
	NEAR(s.totals.completed, 6);
	NEAR(sla_compliance(&s, 2000), 1);
	/* Another comes; its past is not counted, its future is. */
	take(&s, 3000, (struct told[]){{"a", 6, 0, 0, 0}, {"b", 9, 0, 0, 9}}, 2, 0);
	take(&s, 4000, (struct told[]){{"a", 6, 0, 0, 0}, {"b", 9, 0, 0, 11}}, 2, 0);
	NEAR(s.totals.completed, 8);
	NEAR(sla_compliance(&s, 4000), 0.75);
	/* It is away for a look: nothing falls, and later nothing is counted twice. */
	take_one(&s, 5000, (struct told){"a", 6, 0, 0, 0}, 0);
	take(&s, 6000, (struct told[]){{"a", 6, 0, 0, 0}, {"b", 9, 0, 0, 12}}, 2, 0);
	NEAR(s.totals.completed, 9);
	sla_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_before_something_ended),
		cmocka_unit_test(dead_tasks_missed_the_target),
		cmocka_unit_test(a_target_between_two_bounds_is_interpolated),
		cmocka_unit_test(the_window_slides),
		cmocka_unit_test(looks_close_together_do_not_push_the_window_out),
		cmocka_unit_test(a_process_that_began_anew_and_one_that_comes_and_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
