/* pull_plan: who is asked for how much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/pull_plan.h"

#define MESSAGE (1u << 20)
#define SOURCES_MAX 3000

static struct pull_ask asks[SOURCES_MAX];

/* Room for everything but what a test narrows. */
static struct pull_room room_of(unsigned free)
{
	return (struct pull_room){.free = free,
							  .idle = free,
							  .bytes_free = (size_t)1 << 40,
							  .message_max = MESSAGE,
							  .now_ms = 100000};
}

static struct pull_source hinted(enum task_class class, uint64_t pending)
{
	return (struct pull_source){.class = class, .hinted = true, .pending = pending};
}

static struct pull_source quiet(enum task_class class)
{
	return (struct pull_source){.class = class};
}

static unsigned sum(size_t n)
{
	unsigned all = 0;

	for (size_t i = 0; i < n; i++)
		all += asks[i].batch;
	return all;
}

static const struct pull_ask *asked(size_t n, size_t source)
{
	for (size_t i = 0; i < n; i++) {
		if (asks[i].source == source)
			return &asks[i];
	}
	return NULL;
}

static size_t plan(const struct pull_room *room, const struct pull_source *s, size_t n)
{
	struct pull_group none[1] = {{0}};

	return pull_plan(room, s, n, none, asks);
}

static void nothing_is_asked_for_a_type_that_nobody_can_begin(void **state)
{
	(void)state;
	struct pull_room room = room_of(10);

	for (int shut = 0; shut <= 1; shut++) {
		struct pull_source s[2] = {hinted(CLASS_NORMAL, 5), quiet(CLASS_HIGH)};
		struct pull_group groups[2] = {{0}, {.limit = 0, .shut = shut}};
		s[0].group = s[1].group = 1;
		size_t n = pull_plan(&room, s, 2, groups, asks);
		assert_int_equal(n > 0, !shut);
	}
}

static void known_work_is_asked_high_before_normal_before_low(void **state)
{
	(void)state;
	static const struct {
		unsigned free;
		uint64_t pending[CLASS_COUNT]; /* 0: quiet */
		unsigned batch[CLASS_COUNT];   /* of no_wait asks */
	} rows[] = {
		{10, {100, 100, 100}, {10, 0, 0}},
		{10, {0, 100, 100}, {0, 10, 0}},
		{10, {0, 0, 100}, {0, 0, 10}},
		{10, {1, 100, 100}, {5, 5, 0}}, /* what is pending, and a little more */
		{20, {1, 4, 100}, {5, 9, 6}},
		{1, {7, 7, 7}, {1, 0, 0}},
		{0, {7, 7, 7}, {0, 0, 0}},
		{4, {UINT64_MAX, 1, 1}, {4, 0, 0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pull_source s[CLASS_COUNT];
		for (unsigned k = 0; k < CLASS_COUNT; k++)
			s[k] = rows[i].pending[k] ? hinted(k, rows[i].pending[k]) : quiet(k);
		struct pull_room room = room_of(rows[i].free);
		size_t n = plan(&room, s, CLASS_COUNT);
		for (unsigned k = 0; k < CLASS_COUNT; k++) {
			const struct pull_ask *a = asked(n, k);
			assert_int_equal(a && !a->park ? a->batch : 0, rows[i].batch[k]);
		}
	}
}

static void one_refill_in_eight_begins_from_below(void **state)
{
	(void)state;
	struct pull_source s[] = {hinted(CLASS_HIGH, 100), hinted(CLASS_NORMAL, 100),
							  hinted(CLASS_LOW, 100)};
	unsigned high = 0, low = 0;

	for (uint64_t turn = 0; turn < 80; turn++) {
		struct pull_room room = room_of(5);
		room.turn = turn;
		assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 1);
		high += s[asks[0].source].class == CLASS_HIGH;
		low += s[asks[0].source].class == CLASS_LOW;
	}
	assert_int_equal(high, 70);
	assert_int_equal(low, 10);
}

static void lanes_of_a_class_share_evenly_and_take_turns(void **state)
{
	(void)state;
	struct pull_source s[4] = {hinted(CLASS_NORMAL, 100), hinted(CLASS_NORMAL, 100),
							   hinted(CLASS_NORMAL, 100), hinted(CLASS_NORMAL, 100)};
	struct pull_room room = room_of(20);
	bool first[4] = {false};

	assert_int_equal(plan(&room, s, 4), 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(asks[i].batch, 5);
	room = room_of(1);
	for (room.turn = 0; room.turn < 4; room.turn++) {
		assert_int_equal(plan(&room, s, 4), 1);
		first[asks[0].source] = true;
	}
	for (size_t i = 0; i < 4; i++)
		assert_true(first[i]);
}

/* Eight lanes: their sources are a multiple of the refills between two from below. */
static void every_lane_of_a_class_has_its_turn_under_load(void **state)
{
	(void)state;
	enum { LANES = 8 };
	struct pull_source s[LANES * CLASS_COUNT];
	unsigned turns[LANES * CLASS_COUNT] = {0};

	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		s[i] = i % CLASS_COUNT == CLASS_NORMAL ? quiet(CLASS_NORMAL)
											   : hinted((enum task_class)(i % CLASS_COUNT), 100);
	struct pull_room room = room_of(1);
	for (room.turn = 0; room.turn < 8 * ARRAY_LEN(s) * 10; room.turn++) {
		assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 1);
		turns[asks[0].source]++;
	}
	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		if (i % CLASS_COUNT == CLASS_HIGH)
			assert_int_equal(turns[i], 7 * 3 * 10);
		else if (i % CLASS_COUNT == CLASS_LOW)
			assert_int_equal(turns[i], 3 * 10);
	}
}

static void what_one_lane_does_not_want_the_next_gets(void **state)
{
	(void)state;
	struct pull_source s[] = {hinted(CLASS_NORMAL, 1), hinted(CLASS_NORMAL, 1000)};
	struct pull_room room = room_of(100);
	size_t n = plan(&room, s, ARRAY_LEN(s));

	assert_int_equal(asked(n, 0)->batch, 5);
	assert_int_equal(asked(n, 1)->batch, 95);
}

static void a_woken_lane_is_probed_with_a_quarter(void **state)
{
	(void)state;
	struct pull_source s[] = {hinted(CLASS_HIGH, 0), hinted(CLASS_NORMAL, 0), hinted(CLASS_LOW, 0)};
	struct pull_room room = room_of(8);
	size_t n = plan(&room, s, ARRAY_LEN(s));

	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(asks[i].batch, 2);
		assert_false(asks[i].park);
	}
	room = room_of(1);
	assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 1);
	assert_int_equal(asks[0].source, 0);
}

static void long_polls_take_half_of_what_is_idle_evenly(void **state)
{
	(void)state;
	static const struct {
		unsigned free;
		size_t sources;
		size_t parked; /* how many get one */
		unsigned each;
	} rows[] = {
		{10, 3, 3, 1},  {512, 3, 3, 85},     {512, 1, 1, 256},
		{10, 18, 5, 1},               /* as far as they reach */
		{2, 3, 1, 1},   {1, 3, 0, 0}, /* one slot: nothing is parked, it would be lost to the other
										 classes */
		{0, 3, 0, 0},   {512, 1500, 256, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static struct pull_source s[SOURCES_MAX];
		for (size_t k = 0; k < rows[i].sources; k++)
			s[k] = quiet((enum task_class)(k % CLASS_COUNT));
		struct pull_room room = room_of(rows[i].free);
		size_t n = plan(&room, s, rows[i].sources);
		assert_int_equal(n, rows[i].parked);
		for (size_t k = 0; k < n; k++) {
			assert_true(asks[k].park);
			assert_int_equal(asks[k].batch, rows[i].each);
		}
	}
}

static void parked_credits_that_are_out_count(void **state)
{
	(void)state;
	struct pull_source s[] = {quiet(CLASS_HIGH), quiet(CLASS_NORMAL), quiet(CLASS_LOW)};
	struct pull_room room = room_of(7);

	/* 10 idle: 3 are out with the first, 2 more may be parked. */
	s[0].credits = 3;
	s[0].parked = true;
	room.idle = 10;
	size_t n = plan(&room, s, ARRAY_LEN(s));
	assert_null(asked(n, 0));
	assert_int_equal(sum(n), 2);
}

static void the_lately_active_are_parked_first_then_normal(void **state)
{
	(void)state;
	struct pull_source s[] = {quiet(CLASS_HIGH), quiet(CLASS_NORMAL), quiet(CLASS_LOW),
							  quiet(CLASS_HIGH), quiet(CLASS_NORMAL), quiet(CLASS_LOW)};
	struct pull_room room = room_of(4);
	size_t n = plan(&room, s, ARRAY_LEN(s));

	assert_int_equal(n, 2);
	assert_non_null(asked(n, 1));
	assert_non_null(asked(n, 4));
	s[5].active_ms = room.now_ms - 1;
	n = plan(&room, s, ARRAY_LEN(s));
	assert_int_equal(n, 2);
	assert_non_null(asked(n, 5));
	s[5].active_ms = room.now_ms - PULL_RECENT_MS - 1;
	n = plan(&room, s, ARRAY_LEN(s));
	assert_null(asked(n, 5));
}

static void an_active_consumer_finds_its_place_again(void **state)
{
	(void)state;
	/* It was asked no_wait for a moment; the others' long polls must not have taken its place. */
	struct pull_source s[15];
	struct pull_room room = room_of(9);

	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		s[i] = quiet((enum task_class)(i % CLASS_COUNT));
	s[1] = hinted(CLASS_NORMAL, 3);
	s[1].credits = 1;
	s[1].active_ms = room.now_ms - 5;
	room.idle = 10;
	size_t n = plan(&room, s, ARRAY_LEN(s));
	assert_int_equal(sum(n), 3);
	for (size_t i = 0; i < n; i++) {
		s[asks[i].source].credits = asks[i].batch;
		s[asks[i].source].parked = true;
	}
	s[1] = quiet(CLASS_NORMAL);
	s[1].active_ms = room.now_ms - 5;
	room.free = 7;
	n = plan(&room, s, ARRAY_LEN(s));
	assert_int_equal(n, 1);
	assert_int_equal(asks[0].source, 1);
	assert_int_equal(asks[0].batch, 2);
	/* The others took all before it became active: it goes beyond the half. */
	for (size_t i = 2; i < 7; i++) {
		s[i].credits = 1;
		s[i].parked = true;
	}
	for (size_t i = 7; i < ARRAY_LEN(s); i++)
		s[i].credits = 0;
	room.free = 5;
	n = plan(&room, s, ARRAY_LEN(s));
	assert_int_equal(n, 1);
	assert_int_equal(asks[0].source, 1);
}

static void a_backlog_leaves_nothing_to_park(void **state)
{
	(void)state;
	struct pull_source s[] = {quiet(CLASS_HIGH), hinted(CLASS_NORMAL, 100000), quiet(CLASS_LOW)};
	struct pull_room room = room_of(10);

	assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 1);
	assert_int_equal(asks[0].source, 1);
	assert_int_equal(asks[0].batch, 10);
}

static void closed_and_outstanding_consumers_are_not_asked(void **state)
{
	(void)state;
	struct pull_source s[] = {hinted(CLASS_HIGH, 9), hinted(CLASS_NORMAL, 9), quiet(CLASS_LOW)};
	struct pull_room room = room_of(10);

	s[0].closed = true;
	s[1].credits = 2;
	s[2].closed = true;
	assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 0);
}

static void a_type_never_gets_more_than_its_own_limit(void **state)
{
	(void)state;
	static const struct {
		struct pull_group group;
		unsigned asked;  /* no_wait, over both lanes of the type */
		unsigned parked; /* where both are quiet */
	} rows[] = {
		{{.limit = 4}, 4, 2},
		{{.limit = 4, .running = 3}, 1, 0},
		{{.limit = 4, .running = 2, .asked = 1}, 1, 1},
		{{.limit = 4, .asked = 2, .parked = 2}, 2, 0},
		{{.limit = 4, .running = 4}, 0, 0},
		{{.limit = 4, .running = 9}, 0, 0},
		{{.limit = 1}, 1, 0},
		{{.limit = 0, .running = 50}, 100, 50},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pull_source s[] = {hinted(CLASS_NORMAL, 1000), hinted(CLASS_NORMAL, 1000)};
		struct pull_room room = room_of(100);
		struct pull_group groups[2] = {{0}, rows[i].group};
		s[0].group = s[1].group = 1;
		assert_int_equal(sum(pull_plan(&room, s, 2, groups, asks)), rows[i].asked);
		assert_int_equal(groups[1].asked, rows[i].group.asked + rows[i].asked);
		s[0].hinted = s[1].hinted = false;
		groups[1] = rows[i].group;
		assert_int_equal(sum(pull_plan(&room, s, 2, groups, asks)), rows[i].parked);
		assert_int_equal(groups[1].parked, rows[i].group.parked + rows[i].parked);
	}
}

static void bytes_are_shared_out_but_never_less_than_one_message(void **state)
{
	(void)state;
	struct pull_source s[] = {hinted(CLASS_NORMAL, 1000), hinted(CLASS_NORMAL, 1000),
							  hinted(CLASS_NORMAL, 1000)};
	struct pull_room room = room_of(300);

	room.bytes_free = 30 * (size_t)MESSAGE;
	size_t n = plan(&room, s, ARRAY_LEN(s));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(asks[i].batch, 100);
		assert_in_range(asks[i].max_bytes, 9 * (size_t)MESSAGE, 10 * (size_t)MESSAGE);
	}
	/* Two messages fit: two are asked, each for one message's bytes. */
	room.bytes_free = 2 * (size_t)MESSAGE;
	assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 2);
	assert_int_equal(asks[0].max_bytes, MESSAGE);
	room.bytes_free = MESSAGE - 1;
	assert_int_equal(plan(&room, s, ARRAY_LEN(s)), 0);
	/* Never more than the batch could fill. */
	room = room_of(2);
	(void)plan(&room, s, ARRAY_LEN(s));
	assert_int_equal(asks[0].max_bytes, asks[0].batch * (size_t)MESSAGE);
}

/* Over many random worlds: no rule of the header is ever broken. */
static void no_plan_exceeds_what_is_free(void **state)
{
	(void)state;
	static struct pull_source s[60];
	uint32_t seed = 12345;

	for (unsigned round = 0; round < 20000; round++) {
#define RANDOM(below) ((seed = seed * 1664525u + 1013904223u) >> 8) % (below)
		size_t n = RANDOM(60);
		unsigned out = 0, group_out[3] = {0}, group_parked[3] = {0};
		for (size_t i = 0; i < n; i++) {
			s[i] = (struct pull_source){.class = (enum task_class)(i % CLASS_COUNT),
										.group = RANDOM(3),
										.closed = RANDOM(8) == 0,
										.hinted = RANDOM(3) == 0};
			s[i].pending = s[i].hinted ? RANDOM(50) : 0;
			s[i].credits = RANDOM(4) == 0 ? 1 + RANDOM(3) : 0;
			s[i].parked = s[i].credits && RANDOM(2);
			s[i].active_ms = RANDOM(3) == 0 ? 99999 : 0;
			out += s[i].credits;
			group_out[s[i].group] += s[i].credits;
			group_parked[s[i].group] += s[i].parked ? s[i].credits : 0;
		}
		struct pull_group groups[3] = {{0}};
		for (unsigned g = 0; g < 3; g++)
			groups[g] = (struct pull_group){.limit = g * 5,
											.running = RANDOM(4),
											.asked = group_out[g],
											.parked = group_parked[g]};
		struct pull_room room = room_of(RANDOM(40));
		room.idle = room.free + out;
		room.turn = round;
		struct pull_group before[3] = {groups[0], groups[1], groups[2]};
		size_t asks_n = pull_plan(&room, s, n, groups, asks);
		assert_true(sum(asks_n) <= room.free);
		for (size_t i = 0; i < asks_n; i++) {
			assert_true(asks[i].batch > 0 && asks[i].max_bytes >= MESSAGE);
			assert_int_equal(s[asks[i].source].credits, 0);
			assert_false(s[asks[i].source].closed);
			for (size_t k = 0; k < i; k++)
				assert_true(asks[k].source != asks[i].source);
		}
		for (unsigned g = 1; g < 3; g++)
			assert_true(groups[g].asked + groups[g].running <=
						MAX_OF(groups[g].limit, before[g].asked + before[g].running));
	}
}

/* What all nodes together leave to us of a limited lane: its classes share it, and nothing is parked. */
static void a_limited_lane_is_asked_for_no_more_than_it_may_run(void **state)
{
	(void)state;
	struct pull_source s[] = {hinted(CLASS_HIGH, 2), hinted(CLASS_NORMAL, 50), quiet(CLASS_LOW),
							  hinted(CLASS_NORMAL, 50)};
	for (unsigned more = 0; more < 6; more++) {
		struct pull_group groups[2] = {{0}, {.limit = 7 + more, .running = 4, .asked = 3, .metered = true}};
		const struct pull_room room = room_of(20);
		for (size_t i = 0; i < 3; i++)
			s[i].lane_group = 1;
		size_t n = pull_plan(&room, s, ARRAY_LEN(s), groups, asks);
		unsigned of_lane = 0;
		for (size_t i = 0; i < n; i++)
			of_lane += asks[i].source < 3 ? asks[i].batch : 0;
		assert_int_equal(of_lane, more);
		assert_int_equal(groups[1].asked, 3 + more);
		assert_int_equal(asked(n, 0) ? asked(n, 0)->batch : 0, more); /* high first: it wants 6 */
		assert_null(asked(n, 2));
		assert_non_null(asked(n, 3));
	}
	struct pull_group none[2] = {{0}, {.metered = true}};
	const struct pull_room room = room_of(20);
	size_t n = pull_plan(&room, s, 3, none, asks);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_asked_for_a_type_that_nobody_can_begin),
		cmocka_unit_test(known_work_is_asked_high_before_normal_before_low),
		cmocka_unit_test(one_refill_in_eight_begins_from_below),
		cmocka_unit_test(lanes_of_a_class_share_evenly_and_take_turns),
		cmocka_unit_test(every_lane_of_a_class_has_its_turn_under_load),
		cmocka_unit_test(what_one_lane_does_not_want_the_next_gets),
		cmocka_unit_test(a_woken_lane_is_probed_with_a_quarter),
		cmocka_unit_test(long_polls_take_half_of_what_is_idle_evenly),
		cmocka_unit_test(parked_credits_that_are_out_count),
		cmocka_unit_test(the_lately_active_are_parked_first_then_normal),
		cmocka_unit_test(an_active_consumer_finds_its_place_again),
		cmocka_unit_test(a_backlog_leaves_nothing_to_park),
		cmocka_unit_test(closed_and_outstanding_consumers_are_not_asked),
		cmocka_unit_test(a_type_never_gets_more_than_its_own_limit),
		cmocka_unit_test(a_limited_lane_is_asked_for_no_more_than_it_may_run),
		cmocka_unit_test(bytes_are_shared_out_but_never_less_than_one_message),
		cmocka_unit_test(no_plan_exceeds_what_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
