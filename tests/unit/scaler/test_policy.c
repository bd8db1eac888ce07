/* Decisions by table, and over time; each reason with its sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include "scaler/policy.h"

static const struct policy_rule rule = {
	.min = 1,
	.max = 40,
	.step = 10,
	.slots = 10,
	.full = 0.8,
	.promise_s = 2,
	.up_cooldown_s = 5,
	.down_cooldown_s = 60,
	.idle_s = 120,
	.start_s = 5,
};

static struct policy_decision decide(const struct policy_rule *r, struct policy_view v,
									 struct policy_memory *m)
{
	struct policy_decision d;

	if (v.now_s == 0)
		v.now_s = 1000;
	policy_decide(r, &v, m, &d);
	return d;
}

static void first_decisions(void **state UNUSED)
{
	static const struct {
		struct policy_view v;
		unsigned target;
		enum policy_reason reason;
		const char *text;
	} rows[] = {
		/* Nothing to do. */
		{{.ready = 1},
		 1,
		 POLICY_STEADY,
		 "0 of 10 slots are in use: 1 node does for a wait under 2 s"},
		{{.ready = 2, .arrival_per_s = 30, .forecast_per_s = 30, .service_s = 0.2, .used = 6},
		 2,
		 POLICY_COOLDOWN,
		 "30 tasks/s of 0.2 s need 6 slots: 1 node would do; 2 nodes stay until it was so for 60 "
		 "s"},
		/* Bounds. */
		{{.ready = 0}, 1, POLICY_MIN, "0 nodes, fewer than the least: 1 node"},
		{{.ready = 50, .used = 500},
		 40,
		 POLICY_MAX,
		 "500 of 500 slots are in use: 63 nodes, but 40 is the most"},
		{{.ready = 40, .used = 400, .waiting = 9000, .oldest_s = 3.25},
		 40,
		 POLICY_MAX,
		 "400 of 400 slots are in use, 9000 wait (oldest 3.2 s): 940 nodes wanted, but 40 is the "
		 "most"},
		{{.ready = 35, .used = 350, .waiting = 9000, .oldest_s = 3},
		 40,
		 POLICY_MAX,
		 "350 of 350 slots are in use, 9000 wait (oldest 3 s): 935 nodes wanted, but 40 is the "
		 "most"},
		/* The promise: seven of eight slots' load, and one in eleven waits too long. */
		{{.ready = 1,
		  .used = 9,
		  .arrival_per_s = 0.95,
		  .forecast_per_s = 0.95,
		  .service_s = 10,
		  .waiting = 1},
		 2,
		 POLICY_WAIT,
		 "0.95 tasks/s of 10 s need 10 slots, 1 waits (oldest 0 s): 2 nodes for a wait under 2 s"},
		/* What waits. */
		{{.ready = 1,
		  .used = 10,
		  .arrival_per_s = 12,
		  .forecast_per_s = 12,
		  .service_s = 0.21,
		  .waiting = 340,
		  .oldest_s = 1.2},
		 2,
		 POLICY_BACKLOG,
		 "12 tasks/s of 0.21 s need 3 slots, 340 wait (oldest 1.2 s): 2 nodes to work off what "
		 "waits "
		 "within 2 s"},
		{{.ready = 1, .used = 10, .waiting = 25, .oldest_s = 0.5},
		 4,
		 POLICY_BACKLOG,
		 "10 of 10 slots are in use, 25 wait (oldest 0.5 s): 4 nodes, as how long tasks take is "
		 "not known "
		 "yet"},
		/* Of tasks longer than the promise each wants a slot. */
		{{.ready = 1,
		  .used = 10,
		  .service_s = 600,
		  .arrival_per_s = 0.1,
		  .waiting = 25,
		  .oldest_s = 1},
		 4,
		 POLICY_BACKLOG,
		 NULL},
		/* A step at a time. */
		{{.ready = 2,
		  .used = 20,
		  .arrival_per_s = 500,
		  .forecast_per_s = 500,
		  .service_s = 0.2,
		  .waiting = 800,
		  .oldest_s = 2},
		 12,
		 POLICY_BACKLOG,
		 "500 tasks/s of 0.2 s need 100 slots, 800 wait (oldest 2 s): 12 nodes to work off what "
		 "waits "
		 "within 2 s (18 wanted, 10 more in 5 s at most)"},
		/* Full: at the share itself, not under it. */
		{{.ready = 1, .used = 8},
		 2,
		 POLICY_FULL,
		 "8 of 10 slots are in use: 2 nodes to stay under 80 % full"},
		{{.ready = 1, .used = 7}, 1, POLICY_STEADY, NULL},
		{{.ready = 2, .used = 16}, 3, POLICY_FULL, NULL},
		{{.ready = 10, .arrival_per_s = 500, .forecast_per_s = 500, .service_s = 0.2, .used = 60},
		 13,
		 POLICY_FULL,
		 "500 tasks/s of 0.2 s need 100 slots, 60 of 100 slots are in use: 13 nodes to stay under "
		 "80 % full"},
		/* Long tasks hold their slots; the rate they come with is not in a hurry. */
		{{.ready = 2, .used = 4, .arrival_per_s = 1, .forecast_per_s = 1, .service_s = 600},
		 2,
		 POLICY_STEADY,
		 "1 tasks/s of 600 s need 600 slots (9 in 5 s): 2 nodes do for a wait under 2 s"},
		/* What is coming. */
		{{.ready = 5, .used = 30, .arrival_per_s = 150, .forecast_per_s = 230, .service_s = 0.2},
		 6,
		 POLICY_FORECAST,
		 "150 tasks/s of 0.2 s need 30 slots, 230/s are expected: 6 nodes for a wait under 2 s"},
		/* Nodes that start count, nodes that drain don't. */
		{{.ready = 1, .starting = 1, .used = 8}, 2, POLICY_STEADY, NULL},
		{{.ready = 1, .draining = 3, .used = 8}, 2, POLICY_FULL, NULL},
		/* Nobody takes them. */
		{{.ready = 1, .used = 2, .waiting = 12, .oldest_s = 40},
		 1,
		 POLICY_STEADY,
		 "2 of 10 slots are in use, 12 wait (oldest 40 s): no node takes them, though 8 slots are "
		 "free; "
		 "more nodes would not either"},
		/* Nothing is seen. */
		{{.ready = 3, .stale = true, .waiting = 1000, .oldest_s = 100},
		 3,
		 POLICY_STALE,
		 "the broker did not answer, what was seen is old: 3 nodes, as before"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct policy_memory m = {0};
		struct policy_decision d = decide(&rule, rows[i].v, &m);

		if (d.target != rows[i].target || d.reason != rows[i].reason ||
			(rows[i].text && !str_eq(d.text, rows[i].text)))
			fail_msg("row %zu: %u, reason %d: %s", i, d.target, (int)d.reason, d.text);
	}
}

static void the_first_task_starts_a_node_at_once(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000};

	r.min = 0;
	assert_int_equal(decide(&r, v, &m).target, 0);
	/* Also right after another growth: here the cooldown would only make it wait. */
	m.window_s = m.last_up_s = 1000;
	m.grown = 10;
	v.now_s = 1001;
	v.waiting = 1;
	struct policy_decision d = decide(&r, v, &m);
	assert_int_equal(d.target, 1);
	assert_int_equal(d.reason, POLICY_WAIT);
	assert_string_equal(
		d.text, "0 of 0 slots are in use, 1 waits (oldest 0 s): 1 node for a wait under 2 s");
	/* A rate without a task that waits is the past. */
	m = (struct policy_memory){.decided = true};
	v.waiting = 0;
	v.arrival_per_s = v.forecast_per_s = 20;
	v.service_s = 1;
	assert_int_equal(decide(&r, v, &m).target, 0);
}

static void a_cold_pool_takes_one_step_and_looks(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .waiting = 100000, .oldest_s = 1};

	r.min = 0;
	assert_int_equal(decide(&r, v, &m).target, 10);
	for (v.now_s = 1001; v.now_s < 1100; v.now_s++) {
		v.starting = 10;
		v.oldest_s++;
		assert_int_equal(decide(&r, v, &m).target, 10);
	}
	/* They are there and take nothing. */
	v.starting = 0;
	v.ready = 10;
	for (; v.now_s < 1150; v.now_s++)
		assert_int_equal(decide(&r, v, &m).target, 10);
	/* In the end one is enough to take nothing. */
	for (; v.now_s < 2000; v.now_s++) {
		unsigned target = decide(&r, v, &m).target;

		v.ready = target;
	}
	assert_int_equal(v.ready, 1);
}

static void what_hangs_is_bounded_by_max(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 1, .used = 10, .waiting = 100, .oldest_s = 1};
	struct policy_decision d = {0};

	for (; v.now_s < 1600; v.now_s++) {
		v.waiting += 20;
		v.oldest_s++;
		d = decide(&rule, v, &m);
		assert_true(d.target <= 40);
		assert_true(d.target - v.ready <= 10);
		v.ready = d.target;
		v.used = d.target * 10;
	}
	assert_int_equal(d.target, 40);
	assert_int_equal(d.reason, POLICY_MAX);
	assert_non_null(strstr(d.text, "40 is the most"));
}

static void growth_within_the_cooldown_is_a_step_in_all(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 1, .used = 10, .waiting = 20, .oldest_s = 1};

	assert_int_equal(decide(&rule, v, &m).target, 3);
	v.now_s = 1001;
	v.starting = 2;
	v.waiting = 500;
	assert_int_equal(decide(&rule, v, &m).target, 11);
	v.now_s = 1004.5;
	v.starting = 10;
	struct policy_decision d = decide(&rule, v, &m);
	assert_int_equal(d.target, 11);
	assert_int_equal(d.reason, POLICY_COOLDOWN);
	assert_string_equal(d.text,
						"10 of 10 slots are in use, 500 wait (oldest 1 s): 51 nodes wanted, but 10 "
						"were added in the last 4 s (10 in 5 s at most)");
	v.ready = 11;
	v.starting = 0;
	v.used = 110;
	v.now_s = 1005;
	assert_int_equal(decide(&rule, v, &m).target, 21);
}

static void the_target_stands_whatever_there_is(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 5, .used = 30};

	assert_int_equal(decide(&rule, v, &m).target, 5);
	/* Two died; they are replaced without a cooldown and without a decision. */
	v.now_s = 1001;
	v.ready = 3;
	v.used = 18;
	assert_int_equal(decide(&rule, v, &m).target, 5);
	/* Foreign nodes came. */
	v.now_s = 1002;
	v.ready = 9;
	assert_int_equal(decide(&rule, v, &m).target, 5);
}

static void fewer_only_after_a_quiet_cooldown_and_by_a_third(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000,
							.ready = 9,
							.used = 12,
							.arrival_per_s = 60,
							.forecast_per_s = 60,
							.service_s = 0.2};
	struct policy_decision d;

	for (; v.now_s < 1060; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 9);
	d = decide(&rule, v, &m);
	/* 12 slots and a tenth over 80 % of ten: two would do. */
	assert_int_equal(d.target, 6);
	assert_int_equal(d.reason, POLICY_FEWER);
	assert_string_equal(
		d.text, "60 tasks/s of 0.2 s need 12 slots: 6 nodes, as no more were needed for 60 s");
	v.ready = 6;
	for (v.now_s = 1061; v.now_s < 1120; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 6);
	assert_int_equal(decide(&rule, v, &m).target, 4);
	/* At last to what is needed. */
	for (v.ready = 4; v.now_s < 1300; v.now_s++)
		v.ready = decide(&rule, v, &m).target;
	assert_int_equal(v.ready, 2);
}

static void without_a_down_cooldown_fewer_are_fewer_at_once(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {
		.now_s = 1000, .ready = 5, .arrival_per_s = 250, .forecast_per_s = 250, .service_s = 0.2};

	r.down_cooldown_s = 0;
	r.up_cooldown_s = 0;
	assert_int_equal(decide(&r, v, &m).target, 7);
	v.now_s = 1001;
	v.ready = 7;
	v.arrival_per_s = v.forecast_per_s = 10;
	assert_int_equal(decide(&r, v, &m).target, 5);
	/* Up again as soon. */
	v.now_s = 1002;
	v.arrival_per_s = v.forecast_per_s = 900;
	assert_int_equal(decide(&r, v, &m).target, 15);
}

static void one_busy_moment_begins_the_quiet_anew(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {
		.now_s = 1000, .ready = 5, .arrival_per_s = 10, .forecast_per_s = 10, .service_s = 0.2};

	for (; v.now_s < 1050; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 5);
	v.arrival_per_s = 190;
	assert_int_equal(decide(&rule, v, &m).target, 5);
	v.arrival_per_s = 10;
	for (v.now_s = 1051; v.now_s < 1111; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 5);
	/* The cooldown is remembered in parts of four seconds. */
	v.now_s = 1116;
	assert_true(decide(&rule, v, &m).target < 5);
}

static void a_stale_view_changes_nothing_and_counts_as_no_quiet(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 5};

	for (; v.now_s < 1059; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 5);
	v.stale = true;
	v.ready = 0;
	for (; v.now_s < 1300; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 5);
	v.stale = false;
	v.ready = 5;
	for (; v.now_s < 1360; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 5);
	assert_int_equal(decide(&rule, v, &m).target, 3);
}

static void idle_goes_to_min(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 25, .used = 1};
	struct policy_decision d;

	r.min = 0, r.idle_s = 30;
	decide(&r, v, &m);
	v.used = 0;
	for (v.now_s = 1001; v.now_s < 1031; v.now_s++)
		assert_int_equal(decide(&r, v, &m).target, 25);
	d = decide(&r, v, &m);
	assert_int_equal(d.target, 15);
	assert_int_equal(d.reason, POLICY_IDLE);
	assert_string_equal(d.text, "no task for 30 s: 15 nodes");
	v.now_s = 1032; /* by steps, without pauses */
	assert_int_equal(decide(&r, v, &m).target, 5);
	v.now_s = 1033;
	assert_int_equal(decide(&r, v, &m).target, 0);
	v.now_s = 1034;
	assert_int_equal(decide(&r, v, &m).target, 0);
}

static void what_idling_ended_stays_away(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 14, .service_s = 0.2};

	r.idle_s = 10, r.down_cooldown_s = 5;
	for (; v.now_s < 1200; v.now_s++) {
		v.used = v.now_s < 1060 ? 100 : 0;
		v.ready = decide(&r, v, &m).target;
		assert_true(v.now_s < 1085 || v.ready == 1);
	}
}

static void tasks_too_short_to_be_seen_keep_the_last_node(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {
		.now_s = 1000, .ready = 2, .arrival_per_s = 1, .forecast_per_s = 1, .service_s = 0.001};

	r.min = 0;
	for (; v.now_s < 2000; v.now_s++) {
		unsigned target = decide(&r, v, &m).target;

		assert_true(target >= 1);
		v.ready = target;
	}
	assert_int_equal(v.ready, 1);
}

static void idle_waits_for_the_cooldown_after_growth(void **state UNUSED)
{
	struct policy_rule r = rule;
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000, .ready = 1, .used = 8};

	r.idle_s = 10;
	assert_int_equal(decide(&r, v, &m).target, 2);
	v.used = 0, v.ready = 2;
	for (v.now_s = 1001; v.now_s < 1060; v.now_s++)
		assert_int_equal(decide(&r, v, &m).target, 2);
	assert_int_equal(decide(&r, v, &m).target, 1);
}

static void a_wrong_model_is_overruled_by_the_oldest_wait(void **state UNUSED)
{
	struct policy_memory m = {0};
	/* Handlers are taken for 20 ms and take far longer. */
	struct policy_view v = {.now_s = 1000,
							.ready = 4,
							.used = 40,
							.waiting = 50,
							.oldest_s = 3,
							.arrival_per_s = 20,
							.forecast_per_s = 20,
							.service_s = 0.02};
	struct policy_decision d = decide(&rule, v, &m);

	assert_int_equal(d.target, 6);
	assert_int_equal(d.reason, POLICY_WAIT);
	/* These are given time to come and to help. */
	v.starting = 2;
	v.now_s = 1003;
	v.oldest_s = 6;
	assert_int_equal(decide(&rule, v, &m).target, 6);
	v.starting = 0;
	v.ready = 6;
	v.used = 60;
	v.now_s = 1006;
	v.oldest_s = 6.5;
	assert_int_equal(decide(&rule, v, &m).target, 6);
	/* It gets worse: doubled at most. */
	v.now_s = 1007;
	v.oldest_s = 7;
	assert_int_equal(decide(&rule, v, &m).target, 12);
	/* It gets better: left alone. And not fewer while it is late. */
	v.ready = 12;
	v.used = 120;
	for (v.now_s = 1020; v.now_s < 1200; v.now_s++) {
		v.oldest_s = 3;
		assert_int_equal(decide(&rule, v, &m).target, 12);
	}
}

static void what_is_in_use_holds_nodes_that_the_model_would_give_up(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.now_s = 1000,
							.ready = 6,
							.used = 40,
							.arrival_per_s = 20,
							.forecast_per_s = 20,
							.service_s = 0.02};

	for (; v.now_s < 1500; v.now_s++)
		assert_int_equal(decide(&rule, v, &m).target, 6);
}

static void the_predicted_wait(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.ready = 1, .service_s = 1, .arrival_per_s = 5, .used = 5};

	assert_true(decide(&rule, v, &m).wait_s == policy_wait_s(10, 5, 1, 0.95));
	/* Behind 40 that wait, as far as the target goes. */
	v.waiting = 40;
	v.used = 10;
	m = (struct policy_memory){0};
	struct policy_decision d = decide(&rule, v, &m);
	assert_true(d.wait_s == 40.0 / (d.target * 10.0));
	/* At the most, and not enough. */
	struct policy_rule r = rule;
	r.max = 1;
	v.arrival_per_s = 11;
	m = (struct policy_memory){0};
	assert_true(decide(&r, v, &m).wait_s == INFINITY);
	/* Not known. */
	v.service_s = 0;
	assert_true(decide(&r, v, &m).wait_s == 0);
}

static void wild_figures_fit(void **state UNUSED)
{
	struct policy_memory m = {0};
	struct policy_view v = {.ready = 1,
							.used = 10,
							.waiting = UINT64_MAX,
							.oldest_s = 1e18,
							.arrival_per_s = 1e18,
							.forecast_per_s = 1e18,
							.service_s = 1e9};
	struct policy_decision d = decide(&rule, v, &m);

	assert_int_equal(d.target, 11);
	assert_true(strlen(d.text) < sizeof(d.text));
	v.now_s = 2000;
	struct policy_rule r = rule;
	r.promise_s = 0;
	r.full = 0;
	assert_int_equal(decide(&r, v, &m).target, 21);
}

static void the_idlest_of_ours_goes(void **state UNUSED)
{
	static const struct {
		struct policy_node nodes[3];
		int victim;
	} rows[] = {
		{{{.used = 3, .slots = 10, .ours = true},
		  {.used = 1, .slots = 10, .ours = true},
		  {.slots = 10}},
		 1},
		/* The share counts, not the number. */
		{{{.used = 3, .slots = 10, .ours = true},
		  {.used = 1, .slots = 2, .ours = true},
		  {.slots = 10}},
		 0},
		/* Sick before idle, but never another's. */
		{{{.used = 9, .slots = 10, .ours = true, .unhealthy = true},
		  {.slots = 10, .ours = true},
		  {.unhealthy = true}},
		 0},
		/* Agents would have to move. */
		{{{.slots = 10, .ours = true, .agents = 2},
		  {.slots = 10, .ours = true, .agents = 1},
		  {.slots = 10, .ours = true, .agents = 3}},
		 1},
		/* The youngest of equals. */
		{{{.slots = 10, .ours = true, .age_s = 50},
		  {.slots = 10, .ours = true, .age_s = 60},
		  {.slots = 10, .ours = true, .age_s = 5}},
		 2},
		{{{.slots = 10}, {.slots = 10}, {.slots = 10, .unhealthy = true}}, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(policy_victim(rows[i].nodes, 3), rows[i].victim);
	assert_int_equal(policy_victim(NULL, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_decisions),
		cmocka_unit_test(the_first_task_starts_a_node_at_once),
		cmocka_unit_test(a_cold_pool_takes_one_step_and_looks),
		cmocka_unit_test(what_hangs_is_bounded_by_max),
		cmocka_unit_test(growth_within_the_cooldown_is_a_step_in_all),
		cmocka_unit_test(the_target_stands_whatever_there_is),
		cmocka_unit_test(fewer_only_after_a_quiet_cooldown_and_by_a_third),
		cmocka_unit_test(without_a_down_cooldown_fewer_are_fewer_at_once),
		cmocka_unit_test(one_busy_moment_begins_the_quiet_anew),
		cmocka_unit_test(a_stale_view_changes_nothing_and_counts_as_no_quiet),
		cmocka_unit_test(idle_goes_to_min),
		cmocka_unit_test(what_idling_ended_stays_away),
		cmocka_unit_test(tasks_too_short_to_be_seen_keep_the_last_node),
		cmocka_unit_test(idle_waits_for_the_cooldown_after_growth),
		cmocka_unit_test(a_wrong_model_is_overruled_by_the_oldest_wait),
		cmocka_unit_test(what_is_in_use_holds_nodes_that_the_model_would_give_up),
		cmocka_unit_test(the_predicted_wait),
		cmocka_unit_test(wild_figures_fit),
		cmocka_unit_test(the_idlest_of_ours_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
