/* When a task is tried again: the rules as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/policy.h"

static void verdicts_follow_how_the_attempt_ended(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct failed_attempt f;
		enum policy_verdict verdict;
		int64_t least_ns, most_ns;
	} rows[] = {
		{"first failure", {.attempt = 1}, POLICY_RETRY, 800 * NS_PER_MS, 1200 * NS_PER_MS},
		{"second", {.attempt = 2}, POLICY_RETRY, 1600 * NS_PER_MS, 2400 * NS_PER_MS},
		{"third", {.attempt = 3}, POLICY_RETRY, 3200 * NS_PER_MS, 4800 * NS_PER_MS},
		{"fourth is the last", {.attempt = 4}, POLICY_BURY, 0, 0},
		{"beyond the last", {.attempt = 9}, POLICY_BURY, 0, 0},
		{"permanent", {.attempt = 1, .permanent = true}, POLICY_BURY, 0, 0},
		{"poison", {.attempt = 1, .poison = true}, POLICY_BURY, 0, 0},
		{"asked for a time",
		 {.attempt = 1, .retry_after_ns = 7 * NS_PER_S},
		 POLICY_RETRY,
		 7 * NS_PER_S,
		 7 * NS_PER_S},
		{"asked for a year",
		 {.attempt = 1, .retry_after_ns = INT64_C(365) * 86400 * NS_PER_S},
		 POLICY_RETRY,
		 86400 * NS_PER_S,
		 86400 * NS_PER_S},
		{"asking does not help at the end",
		 {.attempt = 4, .retry_after_ns = NS_PER_S},
		 POLICY_BURY,
		 0,
		 0},
		{"returned",
		 {.attempt = 1, .returned = true},
		 POLICY_DEFER,
		 800 * NS_PER_MS,
		 1200 * NS_PER_MS},
		{"returned often",
		 {.attempt = 1, .returned = true, .deferrals = 3},
		 POLICY_DEFER,
		 6400 * NS_PER_MS,
		 9600 * NS_PER_MS},
		{"returned for ever",
		 {.attempt = 4, .returned = true, .deferrals = 1000},
		 POLICY_DEFER,
		 48 * NS_PER_S,
		 72 * NS_PER_S},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (uint32_t seed = 0; seed < 50000; seed += 999) {
			struct failed_attempt f = rows[i].f;
			f.seed = seed;
			struct policy_decision d = policy_after_failure(&RETRY_RULE_DEFAULT, &f);
			if (d.verdict != rows[i].verdict || d.delay_ns < rows[i].least_ns ||
				d.delay_ns > rows[i].most_ns)
				fail_msg("%s: verdict %d after %lld ns", rows[i].what, d.verdict,
						 (long long)d.delay_ns);
		}
	}
}

static void backoff_grows_to_its_limit(void **state UNUSED)
{
	struct retry_rule rule = {
		.attempts = 100, .base_ns = NS_PER_S, .factor = 2, .max_ns = 60 * NS_PER_S};

	for (unsigned attempt = 1; attempt < 100; attempt++) {
		struct policy_decision d =
			policy_after_failure(&rule, &(struct failed_attempt){.attempt = attempt, .seed = 5000});
		int64_t wanted = attempt > 6 ? 60 * NS_PER_S : (INT64_C(1) << (attempt - 1)) * NS_PER_S;
		assert_int_equal(d.verdict, POLICY_RETRY);
		assert_int_equal(d.delay_ns, wanted);
	}
}

static void the_same_task_is_decided_the_same(void **state UNUSED)
{
	assert_int_equal(policy_seed("order-42", 1), policy_seed("order-42", 1));
	assert_int_not_equal(policy_seed("order-42", 1), policy_seed("order-42", 2));
	assert_int_not_equal(policy_seed("order-42", 1), policy_seed("order-43", 1));
}

static void jitter_spreads_neighbours(void **state UNUSED)
{
	int64_t least = INT64_MAX, most = 0;
	char id[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "tots2g-%d", i);
		int64_t ns = policy_deferral_ns(0, policy_seed(id, 1));
		least = MIN_OF(least, ns);
		most = MAX_OF(most, ns);
	}
	assert_true(least < 820 * NS_PER_MS);
	assert_true(most > 1180 * NS_PER_MS);
}

static void nothing_goes_into_a_bucket_that_is_past(void **state UNUSED)
{
	static const struct {
		int64_t due_ms, now_ms, bucket;
	} rows[] = {
		{100000, 0, 10},      {109999, 0, 10}, {110000, 0, 11},
		{100000, 108999, 10}, /* a second before its end it still takes */
		{108500, 109000, 11}, /* then the next one does, which is open by then */
		{0, 109000, 11},      {0, 0, 0},       {50000, 1000000, 100},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(policy_bucket(rows[i].due_ms * NS_PER_MS, rows[i].now_ms * NS_PER_MS),
						 rows[i].bucket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_follow_how_the_attempt_ended),
		cmocka_unit_test(backoff_grows_to_its_limit),
		cmocka_unit_test(the_same_task_is_decided_the_same),
		cmocka_unit_test(jitter_spreads_neighbours),
		cmocka_unit_test(nothing_goes_into_a_bucket_that_is_past),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
