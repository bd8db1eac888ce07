/*
 * When a cron expression ticks. It stands alone because clocks that change
 * are all of its difficulty. Local time is searched field by field, days by
 * the calendar; what it means in UTC is asked of the zone's spans. A rhythm is
 * searched span by span. A time of the day is searched beyond the highest
 * local time that there was, and comes at the first moment whose local time
 * reaches it: that is one rule for the hour that is left out and the one that
 * comes twice.
 */
#include "router/cron.h"

#include "router/civil.h"

#define HORIZON_S (50 * 366 * DAY_S)
#define SHIFT_MAX_S (2 * DAY_S) /* no clock was ever set back further */

/* The first bit of mask at or after from, or -1. */
static int bit_from(uint64_t mask, unsigned from)
{
	uint64_t rest = from < 64 ? mask >> from << from : 0;

	return rest ? __builtin_ctzll(rest) : -1;
}

/* The first fitting second of the day at or after from_s, or -1. */
static int64_t time_from(const struct cron *c, int64_t from_s)
{
	unsigned h0 = (unsigned)(from_s / 3600), m0 = (unsigned)(from_s / 60 % 60),
			 s0 = (unsigned)(from_s % 60);

	for (int h = bit_from(c->hours, h0); h >= 0; h = bit_from(c->hours, (unsigned)h + 1)) {
		bool this_hour = (unsigned)h == h0;
		for (int m = bit_from(c->minutes, this_hour ? m0 : 0); m >= 0;
			 m = bit_from(c->minutes, (unsigned)m + 1)) {
			int s = bit_from(c->seconds, this_hour && (unsigned)m == m0 ? s0 : 0);
			if (s >= 0)
				return (int64_t)h * 3600 + m * 60 + s;
		}
	}
	return -1;
}

static bool day_fits(const struct cron *c, const struct civil *d, int64_t days)
{
	bool day = c->days >> d->day & 1, weekday = c->weekdays >> civil_weekday(days) & 1;

	return c->any_day || c->any_weekday ? day && weekday : day || weekday;
}

/* The first fitting local time at or after local_s; false beyond the horizon. */
static bool local_from(const struct cron *c, int64_t local_s, int64_t *ret)
{
	int64_t days = floor_div(local_s, DAY_S), last = days + HORIZON_S / DAY_S;
	int64_t from_s = local_s - days * DAY_S;

	while (days <= last) {
		struct civil d = civil_of(days);
		if (!(c->months >> d.month & 1)) {
			days =
				d.month == 12 ? civil_days(d.year + 1, 1, 1) : civil_days(d.year, d.month + 1, 1);
			from_s = 0;
			continue;
		}
		int64_t time_s = day_fits(c, &d, days) ? time_from(c, from_s) : -1;
		if (time_s >= 0) {
			*ret = days * DAY_S + time_s;
			return true;
		}
		days++;
		from_s = 0;
	}
	return false;
}

static bool next_rhythm(const struct cron *c, const struct zone *z, int64_t after_s, int64_t *ret_s)
{
	int64_t t = after_s + 1, local;

	while (t < after_s + HORIZON_S) {
		struct zone_span s = zone_span_at(z, t);
		if (!local_from(c, t + s.offset_s, &local))
			return false;
		if (local - s.offset_s < s.end_s) {
			*ret_s = local - s.offset_s;
			return true;
		}
		t = s.end_s;
	}
	return false;
}

/* The highest local time that there was until t. */
static int64_t local_peak(const struct zone *z, int64_t t)
{
	struct zone_span s = zone_span_at(z, t);
	int64_t peak = t + s.offset_s;

	while (s.begin_s > t - SHIFT_MAX_S) {
		int64_t before = s.begin_s - 1;
		s = zone_span_at(z, before);
		peak = before + s.offset_s > peak ? before + s.offset_s : peak;
	}
	return peak;
}

static bool next_of_day(const struct cron *c, const struct zone *z, int64_t after_s, int64_t *ret_s)
{
	int64_t local, t = after_s + 1;

	if (!local_from(c, local_peak(z, after_s) + 1, &local))
		return false;
	for (;;) {
		struct zone_span s = zone_span_at(z, t);
		int64_t reached = local - s.offset_s > t ? local - s.offset_s : t;
		if (reached < s.end_s) {
			*ret_s = reached;
			return true;
		}
		t = s.end_s;
	}
}

bool cron_next(const struct cron *c, const struct zone *z, int64_t anchor_s, int64_t after_s,
			   int64_t *ret_s)
{
	if (c->every_s) {
		int64_t n = after_s < anchor_s ? 0 : (after_s - anchor_s) / c->every_s;
		*ret_s = anchor_s + (n + 1) * c->every_s;
		return true;
	}
	return c->rhythm ? next_rhythm(c, z, after_s, ret_s) : next_of_day(c, z, after_s, ret_s);
}

/* The last max ticks of (after, until]: ret is filled as a ring, then turned. Returns how many
 * there were. */
static size_t window(const struct cron *c, const struct zone *z, int64_t anchor_s, int64_t after_s,
					 int64_t until_s, int64_t *ret, size_t max)
{
	size_t n = 0;
	int64_t tick = after_s;

	while (cron_next(c, z, anchor_s, tick, &tick) && tick <= until_s)
		ret[n++ % max] = tick;
	return n;
}

static void reverse(int64_t *a, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		int64_t t = a[i];
		a[i] = a[n - 1 - i];
		a[n - 1 - i] = t;
	}
}

size_t cron_last(const struct cron *c, const struct zone *z, int64_t anchor_s, int64_t after_s,
				 int64_t until_s, int64_t *ret, size_t max, bool *ret_more)
{
	size_t n = 0;
	int64_t from_s = until_s;

	/* Backwards in growing steps: a tick of each second, missed for a year, is not counted whole. */
	for (int64_t back_s = 64; n <= max && from_s > after_s; back_s *= 2) {
		from_s = until_s - after_s > back_s ? until_s - back_s : after_s;
		n = window(c, z, anchor_s, from_s, until_s, ret, max);
	}
	*ret_more = n > max;
	if (n <= max)
		return n;
	/* A ring whose oldest is at n % max. */
	reverse(ret, n % max);
	reverse(ret + n % max, max - n % max);
	reverse(ret, max);
	return max;
}
