/* What an operator set for a lane: as written by the router, and as written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/lane_setting.h"

static struct lane_setting parse(const char *text, int expect)
{
	struct lane_setting s;
	struct err e = {0};

	assert_int_equal(lane_setting_parse(text, strlen(text), &s, &e), expect);
	return s;
}

static void everything_is_read(void **state UNUSED)
{
	struct lane_setting s =
		parse("{\"paused\":true,\"reason\":\"why\",\"until\":\"2026-01-02T03:04:05Z\","
			  "\"limit\":7,\"rate_per_s\":2.5,\"concurrency\":3,"
			  "\"key_concurrency\":1,\"by\":\"x\",\"purge\":{\"upto\":9,"
			  "\"cancelled\":4,\"at\":\"2026-01-02T03:04:05Z\"}}",
			  0);

	assert_true(s.paused);
	assert_string_equal(s.reason, "why");
	assert_true(s.until_wall_ns == INT64_C(1767323045) * NS_PER_S);
	assert_true(s.limit == 7 && s.rate_per_s == 2.5 && s.concurrency == 3 &&
				s.key_concurrency == 1);
	assert_true(s.purge_upto == 9 && s.purged == 4 && s.purged_wall_ns);
}

static void nothing_set_is_an_empty_setting(void **state UNUSED)
{
	static const char *const texts[] = {"",
										"{}",
										"{\"paused\":false}",
										"{\"limit\":null}",
										"{\"concurrency\":0,\"rate_per_s\":0}",
										"{\"theirs\":[1]}"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct lane_setting s = parse(texts[i], 0);
		assert_true(lane_setting_empty(&s));
		assert_false(lane_setting_metered(&s));
		assert_false(lane_setting_closed(&s, NS_PER_S));
	}
}

static void a_slip_in_one_key_does_not_undo_the_others(void **state UNUSED)
{
	static const char *const slips[] = {"\"paused\":\"yes\"",      "\"until\":5",
										"\"until\":\"soon\"",      "\"limit\":-1",
										"\"limit\":\"many\"",      "\"rate_per_s\":-0.5",
										"\"rate_per_s\":1e9",      "\"rate_per_s\":\"x\"",
										"\"key_concurrency\":1.5", "\"key_concurrency\":9999999"};

	for (size_t i = 0; i < ARRAY_LEN(slips); i++) {
		char text[120];
		snprintf(text, sizeof(text), "{%s,\"concurrency\":3}", slips[i]);
		struct lane_setting s = parse(text, ERR_INVALID);
		assert_int_equal(s.concurrency, 3);
		assert_false(s.paused);
		assert_true(s.limit == 0 && s.rate_per_s == 0 && s.key_concurrency == 0);
	}
	struct lane_setting s = parse("[true]", ERR_INVALID);
	assert_true(lane_setting_empty(&s));
	s = parse("{\"paused\":true", ERR_INVALID);
	assert_true(lane_setting_empty(&s));
}

static void a_pause_ends_at_its_time(void **state UNUSED)
{
	struct lane_setting s = {.paused = true};

	assert_true(lane_setting_paused(&s, INT64_MAX));
	assert_false(lane_setting_over(&s, INT64_MAX));
	s.until_wall_ns = 1000;
	assert_true(lane_setting_paused(&s, 999) && lane_setting_closed(&s, 999));
	assert_false(lane_setting_paused(&s, 1000) || lane_setting_closed(&s, 1000));
	assert_true(lane_setting_over(&s, 1000));
	s.guarded = true; /* the breaker takes it out, and more with it */
	assert_false(lane_setting_over(&s, 1000));
	s.purge_upto = 1;
	assert_true(lane_setting_closed(&s, 1000));
}

static void resuming_leaves_everything_else(void **state UNUSED)
{
	json_t *j = json_pack("{s:b, s:s, s:s, s:s, s:i, s:i}", "paused", 1, "reason", "r", "until",
						  "u", "by", "b", "limit", 5, "theirs", 6);

	assert_true(lane_setting_resume(j));
	assert_int_equal(json_object_size(j), 2);
	assert_false(lane_setting_resume(j));
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(nothing_set_is_an_empty_setting),
		cmocka_unit_test(a_slip_in_one_key_does_not_undo_the_others),
		cmocka_unit_test(a_pause_ends_at_its_time),
		cmocka_unit_test(resuming_leaves_everything_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
