/* Cron expressions: what is read, what is refused, and their ticks against a table that was
 * computed by brute force (cron_ticks.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base.h"
#include "router/cron.h"
#include "router/zones.h"

static void ticks_are_those_of_the_table(void **state UNUSED)
{
	static const struct {
		const char *text, *zone;
		int64_t from_s, until_s;
		int64_t ticks[31];
		size_t n;
	} rows[] = {
#include "cron_ticks.h"
	};
	struct zones *zs = zones_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct zone *z;
		struct cron c;
		struct err e = {0};
		int64_t t = rows[i].from_s;
		if (zones_get(zs, rows[i].zone, &z, &e) || cron_parse(rows[i].text, &c, &e))
			fail_msg("%s %s: %s", rows[i].text, rows[i].zone, e.text);
		for (size_t k = 0; k < rows[i].n; k++) {
			assert_true(cron_next(&c, z, 0, t, &t));
			if (t != rows[i].ticks[k])
				fail_msg("%s %s, tick %zu: %lld, want %lld", rows[i].text, rows[i].zone, k,
						 (long long)t, (long long)rows[i].ticks[k]);
		}
		assert_true(cron_next(&c, z, 0, t, &t));
		if (rows[i].n < 31 && t <= rows[i].until_s)
			fail_msg("%s %s: one too many, %lld", rows[i].text, rows[i].zone, (long long)t);
	}
	zones_free(&zs);
}

static void what_is_wrong_is_named(void **state UNUSED)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"", "no cron expression"},
		{"* * * *", "no cron expression"},
		{"* * * * * * *", "more than six fields"},
		{"60 * * * *", "minute: \"60\" is not within 0 to 59"},
		{"* 24 * * *", "hour:"},
		{"* * 0 * *", "day of month: \"0\""},
		{"* * 32 * *", "day of month:"},
		{"* * * 13 *", "month:"},
		{"* * * foo *", "month: \"foo\""},
		{"* * * * 8", "day of week:"},
		{"* * * * monday", "day of week: \"monday\""},
		{"61 * * * * *", "second:"},
		{"*/0 * * * *", "step"},
		{"*/x * * * *", "step"},
		{"*/99 * * * *", "step"},
		{"5-1 * * * *", "ends before it begins"},
		{"1,,2 * * * *", "comma"},
		{", * * * *", "comma"},
		{"1- * * * *", "minute: \"1-\""},
		{"* ? * * *", "hour: \"?\""},
		{"-1 * * * *", "minute: \"-1\""},
		{"1x * * * *", "minute: \"1x\""},
		{"99999999999999999999 * * * *", "minute:"},
		{"0 0 30 2 *", "never come"},
		{"0 0 31 4,6,9,11 *", "never come"},
		{"@reboot", "none of @every"},
		{"@every", "none of @every"},
		{"@every x", "no duration"},
		{"@every 500ms", "@every"},
		{"@every 1.5s", "whole seconds"},
		{"@every 20000d", "@every"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cron c = {0};
		struct err e = {0};
		assert_int_equal(cron_parse(rows[i].text, &c, &e), ERR_INVALID);
		if (!strstr(e.text, rows[i].words))
			fail_msg("\"%s\": %s; want %s", rows[i].text, e.text, rows[i].words);
	}
}

static void a_sunday_may_be_7_and_days_that_come_are_taken(void **state UNUSED)
{
	static const char *const texts[] = {
		"0 0 * * 7", "0 0 * * 0", "@weekly", "0 0 * * sun", "0 0 ? * SUN", "  0\t0 * *  sun ",
	};
	struct zone utc = {0};
	struct cron c;
	struct err e;
	int64_t t;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(cron_parse(texts[i], &c, &e), 0);
		assert_true(cron_next(&c, &utc, 0, 1767225600, &t)); /* Thursday, 2026-01-01 */
		assert_int_equal(t, 1767225600 + 3 * 86400);
	}
	assert_int_equal(cron_parse("0 0 30 2 mon", &c, &e), 0); /* either: Mondays */
	assert_int_equal(cron_parse("0 0 29 2 *", &c, &e), 0);
	assert_true(cron_next(&c, &utc, 0, 4107542400, &t)); /* after 2100, which has none */
	assert_int_equal(t, 4233686400);                     /* 2104-02-29 */
}

static void every_counts_from_its_anchor(void **state UNUSED)
{
	static const struct {
		int64_t after_s, tick_s;
	} rows[] = {{0, 1090},    {999, 1090},  {1000, 1090},
				{1089, 1090}, {1090, 1180}, {10000, 10000 + 0}};
	struct zone utc = {0};
	struct cron c;
	struct err e;
	int64_t t;

	assert_int_equal(cron_parse("@every 90s", &c, &e), 0);
	for (size_t i = 0; i + 1 < ARRAY_LEN(rows); i++) {
		assert_true(cron_next(&c, &utc, 1000, rows[i].after_s, &t));
		assert_int_equal(t, rows[i].tick_s);
	}
}

static void the_last_ticks_are_found_however_many_there_were(void **state UNUSED)
{
	struct zone utc = {0};
	struct cron c;
	struct err e;
	int64_t got[10];
	bool more;

	/* Every second for three years, of which the last three count. */
	assert_int_equal(cron_parse("* * * * * *", &c, &e), 0);
	assert_int_equal(cron_last(&c, &utc, 0, 1700000000, 1800000000, got, 3, &more), 3);
	assert_true(more);
	for (int i = 0; i < 3; i++)
		assert_int_equal(got[i], 1800000000 - 2 + i);
	/* Fewer than asked for. */
	assert_int_equal(cron_parse("@yearly", &c, &e), 0);
	assert_int_equal(cron_last(&c, &utc, 0, 1700000000, 1800000000, got, 10, &more), 4);
	assert_false(more);
	assert_int_equal(got[0], 1704067200);
	assert_int_equal(got[3], 1798761600);
	/* Exactly as many. */
	assert_int_equal(cron_last(&c, &utc, 0, 1700000000, 1800000000, got, 4, &more), 4);
	assert_false(more);
	assert_int_equal(cron_last(&c, &utc, 0, 1700000000, 1800000000, got, 3, &more), 3);
	assert_true(more);
	assert_int_equal(got[0], 1735689600);
	/* None. */
	assert_int_equal(cron_last(&c, &utc, 0, 1798761600, 1800000000, got, 3, &more), 0);
	assert_false(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_those_of_the_table),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(a_sunday_may_be_7_and_days_that_come_are_taken),
		cmocka_unit_test(every_counts_from_its_anchor),
		cmocka_unit_test(the_last_ticks_are_found_however_many_there_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
