/* The circuit breaker: its table, and every threshold, by times handed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/handlers/breaker.h"

#define S INT64_C(1000000000)

static const struct breaker_config usual = {
	.failures = 3, .percent = 50, .calls = 10, .window_ns = 10 * S, .open_ns = 30 * S, .probes = 2};

static void the_table_leads_where_it_is_drawn(void **state)
{
	(void)state;
	static const int wanted[3][4] = {
		{BREAKER_OPEN, -1, -1, -1},
		{-1, BREAKER_HALF_OPEN, -1, -1},
		{-1, -1, BREAKER_CLOSED, BREAKER_OPEN},
	};
	for (int s = BREAKER_CLOSED; s <= BREAKER_HALF_OPEN; s++) {
		for (int v = BREAKER_TRIPPED; v <= BREAKER_FAILED_AGAIN; v++)
			assert_int_equal(breaker_next((enum breaker_state)s, (enum breaker_event)v),
							 wanted[s][v]);
	}
}

static bool call(struct breaker *b, int64_t at, enum breaker_outcome how)
{
	unsigned ticket;
	int64_t wait_ns;

	assert_true(breaker_admit(b, at, &ticket, &wait_ns));
	return breaker_report(b, at, ticket, how);
}

static void trip(struct breaker *b, int64_t at)
{
	while (b->state == BREAKER_CLOSED)
		call(b, at, BREAKER_FAILED);
	assert_int_equal(b->state, BREAKER_OPEN);
}

static void failures_in_a_row_open_it_and_a_success_between_does_not(void **state)
{
	(void)state;
	struct breaker b;
	breaker_init(&b, &usual);
	assert_false(call(&b, 1 * S, BREAKER_FAILED));
	assert_false(call(&b, 1 * S, BREAKER_FAILED));
	assert_false(call(&b, 1 * S, BREAKER_OK));
	assert_false(call(&b, 1 * S, BREAKER_FAILED));
	assert_false(call(&b, 1 * S, BREAKER_UNKNOWN));
	assert_false(call(&b, 1 * S, BREAKER_FAILED));
	assert_true(call(&b, 1 * S, BREAKER_FAILED));
	assert_int_equal(b.state, BREAKER_OPEN);
}

static void the_share_within_the_window_opens_it(void **state)
{
	(void)state;
	static const struct {
		int calls, every_nth_fails, step_ms; /* one call each step */
		bool opens;
	} t[] = {
		{9, 2, 100, false},   /* too few calls */
		{10, 2, 100, true},   /* half of ten */
		{40, 3, 100, false},  /* a third */
		{40, 2, 2000, false}, /* half, but never ten within ten seconds */
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct breaker b;
		bool opened = false;
		breaker_init(&b, &usual);
		for (int k = 1; k <= t[i].calls && !opened; k++)
			opened = call(&b, (int64_t)k * t[i].step_ms * (S / 1000),
						  k % t[i].every_nth_fails ? BREAKER_OK : BREAKER_FAILED);
		assert_int_equal(opened, t[i].opens);
	}
}

static void thresholds_of_zero_never_open_it(void **state)
{
	(void)state;
	struct breaker_config c = usual;
	struct breaker b;
	c.failures = c.percent = 0;
	breaker_init(&b, &c);
	for (int i = 0; i < 1000; i++)
		assert_false(call(&b, i * S / 100, BREAKER_FAILED));
}

static void open_it_tells_the_rest_of_its_time(void **state)
{
	(void)state;
	struct breaker b;
	unsigned ticket;
	int64_t wait_ns = 0;
	breaker_init(&b, &usual);
	trip(&b, 5 * S);
	assert_false(breaker_admit(&b, 5 * S, &ticket, &wait_ns));
	assert_int_equal(wait_ns, 30 * S);
	assert_false(breaker_admit(&b, 34 * S, &ticket, &wait_ns));
	assert_int_equal(wait_ns, 1 * S);
	assert_true(breaker_admit(&b, 35 * S, &ticket, &wait_ns));
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

static void half_open_lets_so_many_probes_through_and_they_close_it(void **state)
{
	(void)state;
	struct breaker b;
	unsigned one, two, more;
	int64_t wait_ns = 0;
	breaker_init(&b, &usual);
	trip(&b, 0);
	assert_true(breaker_admit(&b, 30 * S, &one, &wait_ns));
	assert_true(breaker_admit(&b, 30 * S, &two, &wait_ns));
	assert_false(breaker_admit(&b, 30 * S, &more, &wait_ns));
	assert_true(wait_ns > 0);
	/* One given up says nothing; its place is free again. */
	assert_false(breaker_report(&b, 31 * S, one, BREAKER_UNKNOWN));
	assert_true(breaker_admit(&b, 31 * S, &one, &wait_ns));
	assert_false(breaker_report(&b, 31 * S, one, BREAKER_OK));
	assert_false(breaker_admit(&b, 31 * S, &more, &wait_ns));
	assert_true(breaker_report(&b, 31 * S, two, BREAKER_OK));
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_false(call(&b, 31 * S, BREAKER_FAILED)); /* what was before is forgotten */
}

static void a_probe_that_fails_opens_it_for_as_long_again(void **state)
{
	(void)state;
	struct breaker b;
	unsigned ticket;
	int64_t wait_ns = 0;
	breaker_init(&b, &usual);
	trip(&b, 0);
	assert_true(breaker_admit(&b, 30 * S, &ticket, &wait_ns));
	assert_true(breaker_report(&b, 32 * S, ticket, BREAKER_FAILED));
	assert_false(breaker_admit(&b, 33 * S, &ticket, &wait_ns));
	assert_int_equal(wait_ns, 29 * S);
}

static void what_ends_in_a_later_phase_does_not_count(void **state)
{
	(void)state;
	struct breaker b;
	unsigned slow, probe;
	int64_t wait_ns;
	breaker_init(&b, &usual);
	assert_true(breaker_admit(&b, 0, &slow, &wait_ns));
	trip(&b, 0);
	assert_false(breaker_report(&b, 1 * S, slow, BREAKER_OK));
	assert_true(breaker_admit(&b, 30 * S, &probe, &wait_ns));
	assert_false(breaker_report(&b, 30 * S, slow, BREAKER_FAILED));
	assert_int_equal(b.state, BREAKER_HALF_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_leads_where_it_is_drawn),
		cmocka_unit_test(failures_in_a_row_open_it_and_a_success_between_does_not),
		cmocka_unit_test(the_share_within_the_window_opens_it),
		cmocka_unit_test(thresholds_of_zero_never_open_it),
		cmocka_unit_test(open_it_tells_the_rest_of_its_time),
		cmocka_unit_test(half_open_lets_so_many_probes_through_and_they_close_it),
		cmocka_unit_test(a_probe_that_fails_opens_it_for_as_long_again),
		cmocka_unit_test(what_ends_in_a_later_phase_does_not_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
