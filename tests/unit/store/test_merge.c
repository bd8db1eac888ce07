/* merge: whatever the order of a task's events, the row is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "store/merge.h"

#define EPOCH(router, delivery) ((uint64_t)(router) << 32 | (delivery))

static Millrace__Queued queued(const char *id, Millrace__State state, unsigned attempt,
							   uint64_t epoch, int64_t at)
{
	Millrace__Queued q = MILLRACE__QUEUED__INIT;
	q.id = (char *)(uintptr_t)id;
	q.type = (char *)(uintptr_t) "echo";
	q.lane = (char *)(uintptr_t) "echo--gpu";
	q.state = state;
	q.attempt = attempt;
	q.attempts = 4;
	q.epoch = epoch;
	q.submitted_at = 1000;
	q.queued_at = at;
	q.body_bytes = 4;
	return q;
}

static Millrace__Started started(const char *id, unsigned attempt, uint64_t epoch, const char *node)
{
	Millrace__Started s = MILLRACE__STARTED__INIT;
	s.id = (char *)(uintptr_t)id;
	s.type = (char *)(uintptr_t) "echo";
	s.attempt = attempt;
	s.epoch = epoch;
	s.node = (char *)(uintptr_t)node;
	s.started_at = (int64_t)epoch;
	s.submitted_at = 1000;
	return s;
}

static Millrace__Outcome outcome(const char *id, Millrace__State state, unsigned attempt,
								 uint64_t epoch)
{
	Millrace__Outcome o = MILLRACE__OUTCOME__INIT;
	o.id = (char *)(uintptr_t)id;
	o.state = state;
	o.attempt = attempt;
	o.epoch = epoch;
	o.node = (char *)(uintptr_t) "node-9";
	o.started_at = 5000;
	o.finished_at = 6000;
	return o;
}

/* ---- one task's life, in all orders ---- */

#define EVENTS 6

struct life {
	Millrace__Queued q1, q2, q3;
	Millrace__Started s2;
	Millrace__Outcome won, late;
};

static void put(struct merge *m, const struct life *l, unsigned which)
{
	switch (which) {
	case 0:
		merge_queued(m, &l->q1, 10);
		return;
	case 1:
		merge_queued(m, &l->q2, 20);
		return;
	case 2:
		merge_started(m, &l->s2, 30);
		return;
	case 3:
		merge_queued(m, &l->q3, 40);
		return;
	case 4:
		merge_outcome(m, &l->won, 500, 50);
		return;
	default:
		merge_outcome(m, &l->late, 600, 60);
		return;
	}
}

static void assert_same_row(const struct task_row *a, const struct task_row *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->type ? a->type : "(none)", b->type ? b->type : "(none)");
	assert_string_equal(a->lane ? a->lane : "(none)", b->lane ? b->lane : "(none)");
	assert_ptr_equal(a->node, b->node);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->epoch, b->epoch);
	assert_int_equal(a->submitted_wall_ns, b->submitted_wall_ns);
	assert_int_equal(a->queued_wall_ns, b->queued_wall_ns);
	assert_int_equal(a->due_wall_ns, b->due_wall_ns);
	assert_int_equal(a->started_wall_ns, b->started_wall_ns);
	assert_int_equal(a->finished_wall_ns, b->finished_wall_ns);
	assert_int_equal(a->lane_seq, b->lane_seq);
	assert_int_equal(a->place, b->place);
	assert_ptr_equal(a->facts, b->facts);
	assert_ptr_equal(a->outcome, b->outcome);
}

/* Every order of the events in set (a bit each); counts the orders. */
static unsigned permute(const struct life *l, unsigned set, unsigned *order, unsigned n,
						const struct task_row *expected)
{
	unsigned count = 0;
	bool last = true;
	for (unsigned i = 0; i < EVENTS; i++) {
		if (set & 1u << i) {
			last = false;
			order[n] = i;
			count += permute(l, set & ~(1u << i), order, n + 1, expected);
		}
	}
	if (!last) {
		return count;
	}
	struct merge m = {0};
	for (unsigned i = 0; i < n; i++) {
		put(&m, l, order[i]);
	}
	struct task_row row;
	merge_task_row(m.tasks, &row);
	assert_int_equal(merge_task_count(&m), 1);
	assert_same_row(&row, expected);
	merge_release(&m);
	return 1;
}

static struct life make_life(void)
{
	struct life l = {
		.q1 = queued("t", MILLRACE__STATE__STATE_SCHEDULED, 1, EPOCH(1, 0), 2000),
		.q2 = queued("t", MILLRACE__STATE__STATE_QUEUED, 1, EPOCH(2, 0), 2500),
		.q3 = queued("t", MILLRACE__STATE__STATE_QUEUED, 2, EPOCH(3, 0), 3000),
		.s2 = started("t", 1, EPOCH(2, 7), "node-1"),
		.won = outcome("t", MILLRACE__STATE__STATE_COMPLETED, 2, EPOCH(3, 9)),
		.late = outcome("t", MILLRACE__STATE__STATE_DEAD, 3, EPOCH(4, 1)),
	};
	l.q1.body.data = (uint8_t *)(uintptr_t) "body";
	l.q1.body.len = 4;
	l.q1.due_at = 2400;
	l.q2.lane_seq = 17;
	l.q3.lane_seq = 23;
	return l;
}

static void every_subset_in_every_order_gives_one_row(void **state)
{
	(void)state;
	struct life l = make_life();
	unsigned orders = 0;
	for (unsigned set = 1; set < 1u << EVENTS; set++) {
		struct merge m = {0};
		for (unsigned i = 0; i < EVENTS; i++) {
			if (set & 1u << i) {
				put(&m, &l, i);
			}
		}
		struct task_row expected;
		merge_task_row(m.tasks, &expected);
		unsigned order[EVENTS];
		orders += permute(&l, set, order, 0, &expected);
		merge_release(&m);
	}
	assert_int_equal(orders, 1956); /* the sum of 6!/k! for k from 0 to 5 */
}

static void a_whole_life_is_the_first_final_event_with_the_publishers_facts(void **state)
{
	(void)state;
	struct life l = make_life();
	struct merge m = {0};
	for (unsigned i = 0; i < EVENTS; i++) {
		put(&m, &l, EVENTS - 1 - i);
	}
	struct task_row r;
	merge_task_row(m.tasks, &r);
	assert_int_equal(r.state, MILLRACE__STATE__STATE_COMPLETED);
	assert_ptr_equal(r.outcome, &l.won);
	assert_ptr_equal(r.facts, &l.q1); /* it has the body */
	assert_int_equal(r.epoch, EPOCH(3, 9));
	assert_int_equal(r.attempt, 2);
	assert_int_equal(r.queued_wall_ns, 3000);
	assert_int_equal(r.due_wall_ns, 2400);
	assert_int_equal(r.lane_seq, 23);
	assert_string_equal(r.lane, "echo--gpu");
	assert_string_equal(r.node, "node-9");
	/* The first attempt failed elsewhere: the second is told as a row of its own. */
	assert_int_equal(merge_attempt_count(&m), 1);
	assert_string_equal(m.attempts->outcome, "completed");
	merge_release(&m);
}

static void the_highest_epoch_tells_the_state_before_the_end(void **state)
{
	(void)state;
	static const struct {
		unsigned set;
		Millrace__State state;
		uint64_t epoch;
	} rows[] = {
		{1u << 0, MILLRACE__STATE__STATE_SCHEDULED, EPOCH(1, 0)},
		{1u << 0 | 1u << 1, MILLRACE__STATE__STATE_QUEUED, EPOCH(2, 0)},
		{1u << 1 | 1u << 2, MILLRACE__STATE__STATE_RUNNING, EPOCH(2, 7)},
		{1u << 2, MILLRACE__STATE__STATE_RUNNING, EPOCH(2, 7)},
		{1u << 2 | 1u << 3, MILLRACE__STATE__STATE_QUEUED, EPOCH(3, 0)},
		{1u << 3 | 1u << 4, MILLRACE__STATE__STATE_COMPLETED, EPOCH(3, 9)},
		{1u << 5, MILLRACE__STATE__STATE_DEAD, EPOCH(4, 1)},
	};
	struct life l = make_life();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct merge m = {0};
		for (unsigned k = 0; k < EVENTS; k++) {
			if (rows[i].set & 1u << k) {
				put(&m, &l, k);
			}
		}
		struct task_row r;
		merge_task_row(m.tasks, &r);
		assert_int_equal(r.state, rows[i].state);
		assert_int_equal(r.epoch, rows[i].epoch);
		merge_release(&m);
	}
}

static void what_waits_tells_for_what_until_it_goes_on(void **state)
{
	(void)state;
	Millrace__Queued waits = queued("t", MILLRACE__STATE__STATE_SCHEDULED, 1, EPOCH(1, 0), 10),
					 given = queued("t", MILLRACE__STATE__STATE_QUEUED, 1, EPOCH(2, 0), 20);
	struct merge m = {0};
	struct task_row r;

	waits.reason = (char *)(uintptr_t) "no-node";
	waits.error = (char *)(uintptr_t) "waits for node n1, which is lost";
	given.node = (char *)(uintptr_t) "n1";
	merge_queued(&m, &waits, 10);
	merge_task_row(m.tasks, &r);
	assert_string_equal(r.reason, "no-node");
	assert_string_equal(r.error, "waits for node n1, which is lost");
	merge_queued(&m, &given, 20);
	merge_task_row(m.tasks, &r);
	assert_string_equal(r.reason, "");
	assert_string_equal(r.error, "");
	assert_string_equal(r.node, "n1");
	merge_release(&m);
}

static void a_task_without_its_submission_is_dated_by_the_stream(void **state)
{
	(void)state;
	struct merge m = {0};
	Millrace__Outcome o = outcome("lone", MILLRACE__STATE__STATE_COMPLETED, 1, 0);
	o.finished_at = 0;
	merge_outcome(&m, &o, 1, 777);
	struct task_row r;
	merge_task_row(m.tasks, &r);
	assert_int_equal(r.submitted_wall_ns, 777);
	assert_int_equal(r.finished_wall_ns, 777);
	assert_null(r.facts);
	assert_int_equal(merge_attempt_count(&m), 0); /* a first attempt needs no row */
	merge_release(&m);
}

static void a_return_never_hides_a_failure(void **state)
{
	(void)state;
	static const struct {
		const char *outcome;
		uint64_t epoch;
	} rows[] = {{"returned", 1}, {"failed", 2}, {"returned", 3}, {"failed", 1}};
	for (unsigned start = 0; start < ARRAY_LEN(rows); start++) {
		struct merge m = {0};
		for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
			unsigned i = (start + k) % ARRAY_LEN(rows);
			merge_attempt(&m, &(struct merge_attempt){
								  .task_id = "t",
								  .attempt = 1,
								  .epoch = rows[i].epoch,
								  .outcome = rows[i].outcome,
							  });
		}
		assert_int_equal(merge_attempt_count(&m), 1);
		assert_string_equal(m.attempts->outcome, "failed");
		assert_int_equal(m.attempts->epoch, 2);
		merge_release(&m);
	}
}

static void the_latest_heartbeat_of_a_node_counts(void **state)
{
	(void)state;
	Millrace__NodeStatus n[3];
	static const int64_t beats[] = {20, 30, 10};
	for (int i = 0; i < 3; i++) {
		millrace__node_status__init(&n[i]);
		n[i].name = (char *)(uintptr_t) "n1";
		n[i].heartbeat_at = beats[i];
	}
	struct merge m = {0};
	for (int i = 0; i < 3; i++) {
		merge_node(&m, &n[i]);
	}
	assert_int_equal(merge_node_count(&m), 1);
	assert_ptr_equal(m.nodes->status, &n[1]);
	merge_release(&m);
}

static void rows_are_sorted_by_the_bytes_of_their_ids(void **state)
{
	(void)state;
	static const char *const ids[] = {"b", "a-2", "Z", "a_1", "a-10", "0", "a"};
	struct merge m = {0};
	Millrace__Queued q[ARRAY_LEN(ids)];
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		q[i] = queued(ids[i], MILLRACE__STATE__STATE_QUEUED, 1, 1, 1);
		merge_queued(&m, &q[i], 1);
	}
	merge_sort(&m);
	const char *before = "";
	for (const struct merge_task *t = m.tasks; t != NULL; t = t->hh.next) {
		assert_true(strcmp(before, t->id) < 0);
		before = t->id;
	}
	assert_string_equal(before, "b");
	merge_release(&m);
}

static void a_reset_merge_starts_anew(void **state)
{
	(void)state;
	struct merge m = {0};
	for (int round = 0; round < 3; round++) {
		Millrace__Queued q[100];
		char ids[100][16];
		for (int i = 0; i < 100; i++) {
			snprintf(ids[i], sizeof(ids[i]), "t%d", i);
			q[i] = queued(ids[i], MILLRACE__STATE__STATE_QUEUED, 1, 1, 1);
			merge_queued(&m, &q[i], 1);
		}
		assert_int_equal(merge_task_count(&m), 100);
		merge_reset(&m);
		assert_int_equal(merge_task_count(&m), 0);
	}
	merge_release(&m);
}

/* The audit compares lane_seq with the stream that the state names: a number of another stream would end the living. */
static void the_place_is_of_the_latest_word_on_it(void **state)
{
	(void)state;
	static const struct {
		struct {
			Millrace__State state;
			uint64_t epoch, seq;
		} events[3];
		uint64_t seq;
		uint32_t place;
	} rows[] = {
		{{{MILLRACE__STATE__STATE_QUEUED, 1, 7}}, 7, 3},
		{{{MILLRACE__STATE__STATE_SCHEDULED, 1, 900}}, 900, 2},
		/* a later lane begins at 1 again */
		{{{MILLRACE__STATE__STATE_QUEUED, 1, 900}, {MILLRACE__STATE__STATE_QUEUED, 2, 1}}, 1, 5},
		/* a router died: the same dispatch, once to its lane and once put off */
		{{{MILLRACE__STATE__STATE_QUEUED, 2, 5}, {MILLRACE__STATE__STATE_SCHEDULED, 2, 900}}, 5, 5},
		{{{MILLRACE__STATE__STATE_QUEUED, 2, 5}, {MILLRACE__STATE__STATE_QUEUED, 2, 9}}, 9, 5},
		/* to somewhere that it does not tell */
		{{{MILLRACE__STATE__STATE_QUEUED, 1, 5}, {MILLRACE__STATE__STATE_QUEUED, 2, 0}}, 0, 5},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int turned = 0; turned < 2; turned++) {
			struct merge m = {0};
			Millrace__Queued q[3];
			for (size_t k = 0; k < 3; k++) {
				size_t at = turned ? 2 - k : k;
				q[at] = queued("t", rows[i].events[at].state, 1, EPOCH(rows[i].events[at].epoch, 0), 1000);
				q[at].lane_seq = rows[i].events[at].seq;
				if (rows[i].events[at].state != 0) {
					merge_queued(&m, &q[at], 1);
				}
			}
			struct task_row r;
			merge_task_row(m.tasks, &r);
			assert_int_equal(r.lane_seq, rows[i].seq);
			assert_int_equal(r.place, rows[i].place);
			merge_release(&m);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_subset_in_every_order_gives_one_row),
		cmocka_unit_test(a_whole_life_is_the_first_final_event_with_the_publishers_facts),
		cmocka_unit_test(the_highest_epoch_tells_the_state_before_the_end),
		cmocka_unit_test(what_waits_tells_for_what_until_it_goes_on),
		cmocka_unit_test(a_task_without_its_submission_is_dated_by_the_stream),
		cmocka_unit_test(a_return_never_hides_a_failure),
		cmocka_unit_test(the_latest_heartbeat_of_a_node_counts),
		cmocka_unit_test(rows_are_sorted_by_the_bytes_of_their_ids),
		cmocka_unit_test(a_reset_merge_starts_anew),
		cmocka_unit_test(the_place_is_of_the_latest_word_on_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
