/* Limits that all nodes share: what one may hold beside the others, and when it may begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "node/permit_book.h"

#define T0 (INT64_C(1767323045) * NS_PER_S)

static json_t *book_of(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static struct permit_grant settle(json_t *book, struct permit_rules rules, struct permit_wish w)
{
	struct permit_grant g;

	rules.now_wall_ns = rules.now_wall_ns ? rules.now_wall_ns : T0;
	w.me = w.me ? w.me : "me";
	permit_book_settle(book, &rules, &w, &g);
	return g;
}

static void places_are_what_others_leave(void **state UNUSED)
{
	static const struct {
		unsigned others, busy, want, granted;
	} rows[] = {
		{0, 0, 3, 3}, {0, 0, 9, 5}, {3, 0, 9, 2}, {5, 0, 1, 0},
		{5, 2, 9, 2}, {9, 0, 1, 0}, {4, 3, 3, 3}, {0, 0, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[80];
		snprintf(text, sizeof(text), "{\"holders\":{\"other\":{\"beat\":1,\"n\":%u}}}",
				 rows[i].others);
		json_t *book = book_of(text);
		struct permit_grant g =
			settle(book, (struct permit_rules){.concurrency = 5},
				   (struct permit_wish){.busy = rows[i].busy, .want = rows[i].want});
		assert_int_equal(g.n, rows[i].granted);
		assert_int_equal(permit_book_held(book, "me"), rows[i].granted);
		json_decref(book);
	}
}

static void what_is_held_already_needs_no_write(void **state UNUSED)
{
	json_t *book = json_object();
	struct permit_wish w = {.busy = 1, .want = 4};
	struct permit_rules rules = {.concurrency = 5};

	assert_true(settle(book, rules, w).changed);
	assert_false(settle(book, rules, w).changed);
	w.beat = true;
	assert_true(settle(book, rules, w).changed);
	assert_int_equal(permit_book_beat(book, "me"), 2);
	w = (struct permit_wish){0};
	assert_true(settle(book, rules, w).changed);
	assert_int_equal(permit_book_beat(book, "me"), -1);
	json_decref(book);
}

static bool only_gone(void *data UNUSED, const char *holder)
{
	return str_eq(holder, "gone");
}

static void the_dead_leave_their_places(void **state UNUSED)
{
	json_t *book = book_of("{\"holders\":{\"gone\":{\"beat\":1,\"n\":4,\"keys\":{\"k\":2}},"
						   "\"other\":{\"beat\":1,\"n\":1}}}");
	struct permit_key_wish key = {.key = "k", .want = 2};
	struct permit_grant g =
		settle(book, (struct permit_rules){.concurrency = 5, .key_concurrency = 2},
			   (struct permit_wish){.want = 5, .keys = &key, .nkeys = 1, .dead = only_gone});

	assert_int_equal(g.n, 4);
	assert_int_equal(key.granted, 2);
	assert_int_equal(permit_book_beat(book, "gone"), -1);
	json_decref(book);
}

static void each_key_has_its_own_places(void **state UNUSED)
{
	json_t *book =
		book_of("{\"holders\":{\"other\":{\"beat\":1,\"n\":0,\"keys\":{\"a\":2,\"b\":1}}}}");
	struct permit_key_wish keys[] = {
		{"a", 0, 3, 9}, {"b", 0, 3, 9}, {"c", 0, 3, 9}, {"d", 3, 3, 9}};
	struct permit_grant g = settle(book, (struct permit_rules){.key_concurrency = 2},
								   (struct permit_wish){.want = 7, .keys = keys, .nkeys = 4});

	assert_int_equal(g.n, 7); /* the lane has no limit */
	assert_int_equal(keys[0].granted, 0);
	assert_int_equal(keys[1].granted, 1);
	assert_int_equal(keys[2].granted, 2);
	assert_int_equal(keys[3].granted, 3); /* they run: nothing can be done about it */
	assert_int_equal(permit_book_others(book, "other", "c"), 2);
	json_decref(book);
}

static void nonsense_counts_as_nothing(void **state UNUSED)
{
	static const char *const texts[] = {
		"{\"holders\":7}", "{\"holders\":{\"x\":3}}", "{\"tat\":\"soon\",\"holders\":[]}",
		"{\"holders\":{\"x\":{\"n\":-4,\"keys\":\"all\"}}}", "{\"tat\":-1}"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *book = book_of(texts[i]);
		struct permit_grant g =
			settle(book, (struct permit_rules){.concurrency = 2, .rate_per_s = 5},
				   (struct permit_wish){.want = 2, .tokens = 1});
		assert_int_equal(g.n, 2);
		assert_int_equal(g.tokens, 1);
		json_decref(book);
	}
}

/* Many nodes that want more than there is, at uneven moments: what is given out in any second. */
static void the_rate_holds_in_every_second(void **state UNUSED)
{
	static const double rates[] = {0.5, 1, 7, 100, 2500};

	for (size_t r = 0; r < ARRAY_LEN(rates); r++) {
		json_t *book = json_object();
		double per_ms[5000] = {0}, sum = 0;
		for (int ms = 0; ms < 5000; ms++) {
			if (ms % 7 == 3 || ms % 11 == 5)
				continue;
			struct permit_grant g = settle(
				book,
				(struct permit_rules){.rate_per_s = rates[r], .now_wall_ns = T0 + ms * NS_PER_MS},
				(struct permit_wish){.me = ms % 2 ? "a" : "b", .tokens = 40});
			per_ms[ms] = g.tokens;
			sum += g.tokens;
			if (g.tokens < 40)
				assert_true(g.tokens_wall_ns > T0 + ms * NS_PER_MS - NS_PER_MS);
		}
		double most = rates[r] + permit_burst(rates[r]);
		double window = 0;
		for (int ms = 0; ms < 5000; ms++) {
			window += per_ms[ms] - (ms >= 1000 ? per_ms[ms - 1000] : 0);
			assert_true(window <= most + 0.001);
		}
		assert_true(sum >= rates[r] * 5 - 1); /* and nothing is left lying */
		json_decref(book);
	}
}

static void the_next_token_comes_when_it_was_said(void **state UNUSED)
{
	json_t *book = json_object();
	struct permit_rules rules = {.rate_per_s = 3};
	struct permit_wish w = {.tokens = 1};

	assert_int_equal(settle(book, rules, w).tokens, 1);
	struct permit_grant g = settle(book, rules, w);
	assert_int_equal(g.tokens, 0);
	rules.now_wall_ns = g.tokens_wall_ns - 2 * NS_PER_MS;
	assert_int_equal(settle(book, rules, w).tokens, 0);
	rules.now_wall_ns = g.tokens_wall_ns;
	assert_int_equal(settle(book, rules, w).tokens, 1);
	json_decref(book);
}

static void what_was_not_used_is_given_back(void **state UNUSED)
{
	json_t *book = json_object();
	struct permit_rules rules = {.rate_per_s = 1};

	assert_int_equal(settle(book, rules, (struct permit_wish){.tokens = 1}).tokens, 1);
	assert_true(settle(book, rules, (struct permit_wish){.tokens_back = 1}).changed);
	assert_int_equal(settle(book, rules, (struct permit_wish){.me = "b", .tokens = 1}).tokens, 1);
	json_decref(book);
}

static void a_clock_that_was_years_ahead_is_not_waited_for(void **state UNUSED)
{
	json_t *book = book_of("{\"tat\":2767323045000000000}");

	assert_int_equal(
		settle(book, (struct permit_rules){.rate_per_s = 1}, (struct permit_wish){.tokens = 1})
			.tokens,
		1);
	json_decref(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_what_others_leave),
		cmocka_unit_test(what_is_held_already_needs_no_write),
		cmocka_unit_test(the_dead_leave_their_places),
		cmocka_unit_test(each_key_has_its_own_places),
		cmocka_unit_test(nonsense_counts_as_nothing),
		cmocka_unit_test(the_rate_holds_in_every_second),
		cmocka_unit_test(the_next_token_comes_when_it_was_said),
		cmocka_unit_test(what_was_not_used_is_given_back),
		cmocka_unit_test(a_clock_that_was_years_ahead_is_not_waited_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
