/*
 * Cron expressions and their ticks. Pure: text and time zone in, the next
 * moment out.
 *
 *   minute hour day-of-month month day-of-week            five fields
 *   second minute hour day-of-month month day-of-week     six
 *   @hourly @daily (@midnight) @weekly @monthly @yearly (@annually)
 *   @every 90s                                            from the anchor on
 *
 * A field is a list of `*`, `n`, `a-b`, each with `/step`; months and days have
 * names (jan, mon; in any case), 7 is Sunday too, `?` is `*` for days. Where
 * both days are restricted (neither begins with `*`) either is enough.
 *
 * When the clocks change: with an hour field that begins with `*` the schedule
 * means a rhythm; it ticks at each moment whose local time fits, so nothing is
 * made up for the hour that is left out and the hour that comes twice counts
 * twice. With any other hour field it means a time of the day, which comes
 * once a day: one that is left out comes at the moment when the clocks jump,
 * and one that comes twice counts at its first time.
 */
#pragma once

#include "router/zone.h"

struct cron {
	uint64_t seconds, minutes; /* bit n: n fits */
	uint32_t hours, days, months, weekdays;
	bool rhythm;               /* the hour field begins with * */
	bool any_day, any_weekday; /* that field begins with * */
	int64_t every_s;           /* @every; else 0 */
};

/* ERR_INVALID names the field at fault and says what would be right. */
MUST_CHECK int cron_parse(const char *text, struct cron *ret, struct err *e);

/*
 * The first tick after after_s; false where none comes within fifty years. anchor_s: from when
 * @every counts (a tick is anchor + n × every, n ≥ 1).
 */
bool cron_next(const struct cron *c, const struct zone *z, int64_t anchor_s, int64_t after_s,
			   int64_t *ret_s);

/*
 * The last ticks in (after_s, until_s], at most max of them, oldest first into ret. Returns how
 * many; *ret_more: there were earlier ones, which are left out.
 */
size_t cron_last(const struct cron *c, const struct zone *z, int64_t anchor_s, int64_t after_s,
				 int64_t until_s, int64_t *ret, size_t max, bool *ret_more);
