/*
 * POSIX's TZ, as far as RFC 8536 uses it. It stands alone because what comes
 * after a file's last change is most of the future: nearly all daylight saving
 * from here on is told by this line and nothing else. A line that can't be
 * read makes the file unreadable, rather than a clock that is off by an hour.
 */
#include "router/zone_rule.h"

#include <ctype.h>

#include "common/base.h"
#include "router/civil.h"

#define HOURS_MAX 167

/* "CET" or "<+01>". */
static bool skip_name(const char **p)
{
	const char *s = *p;

	if (*s == '<') {
		while (*s && *s != '>')
			s++;
		if (*s != '>')
			return false;
		*p = s + 1;
		return true;
	}
	while (isalpha((unsigned char)*s))
		s++;
	bool any = s - *p >= 3;
	*p = s;
	return any;
}

static bool take_number(const char **p, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++) {
		v = v * 10 + (unsigned)(**p - '0');
		if (v > max)
			return false;
	}
	*ret = v;
	return true;
}

/* [+-]h[:m[:s]] in seconds. */
static bool take_time(const char **p, int32_t *ret_s)
{
	unsigned h, m = 0, s = 0;
	bool minus = **p == '-';

	if (**p == '-' || **p == '+')
		(*p)++;
	if (!take_number(p, HOURS_MAX, &h))
		return false;
	if (**p == ':' && ((*p)++, !take_number(p, 59, &m)))
		return false;
	if (**p == ':' && ((*p)++, !take_number(p, 59, &s)))
		return false;
	int32_t v = (int32_t)(h * 3600 + m * 60 + s);
	*ret_s = minus ? -v : v;
	return true;
}

/* ",M3.5.0/2", ",J60", ",59". */
static bool take_day(const char **p, struct zone_day *ret)
{
	struct zone_day d = {.time_s = 2 * 3600};
	bool ok;

	if (*(*p)++ != ',')
		return false;
	if (**p == 'M') {
		(*p)++;
		ok = take_number(p, 12, &d.month) && *(*p)++ == '.' && take_number(p, 5, &d.week) &&
			 *(*p)++ == '.' && take_number(p, 6, &d.weekday) && d.month >= 1 && d.week >= 1;
	} else if (**p == 'J') {
		(*p)++;
		d.kind = ZONE_DAY_NO_LEAP;
		ok = take_number(p, 365, &d.day) && d.day >= 1;
	} else {
		d.kind = ZONE_DAY_OF_YEAR;
		ok = take_number(p, 365, &d.day);
	}
	if (ok && **p == '/')
		ok = ((*p)++, take_time(p, &d.time_s));
	*ret = d;
	return ok;
}

bool zone_rule_parse(const char *text, struct zone_rule *ret)
{
	struct zone_rule r = {0};
	const char *p = text;
	int32_t west;

	if (!skip_name(&p) || !take_time(&p, &west))
		return false;
	r.std_s = -west;
	if (*p) {
		r.has_dst = true;
		if (!skip_name(&p))
			return false;
		west = -(r.std_s + 3600);
		if (*p && *p != ',' && !take_time(&p, &west))
			return false;
		r.dst_s = -west;
		if (!take_day(&p, &r.start) || !take_day(&p, &r.end) || *p)
			return false;
	}
	*ret = r;
	return true;
}

static bool leap(int64_t year)
{
	return civil_days(year, 3, 1) - civil_days(year, 2, 1) == 29;
}

static int64_t day_of(const struct zone_day *d, int64_t year)
{
	int64_t first;

	switch (d->kind) {
	case ZONE_DAY_NO_LEAP:
		return civil_days(year, 1, 1) + d->day - 1 + (leap(year) && d->day >= 60);
	case ZONE_DAY_OF_YEAR:
		return civil_days(year, 1, 1) + d->day;
	case ZONE_DAY_MONTH:
		break;
	}
	first = civil_days(year, d->month, 1);
	int64_t next = d->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, d->month + 1, 1);
	int64_t day = first + (d->weekday + 7 - civil_weekday(first)) % 7 + 7 * (int64_t)(d->week - 1);
	return day >= next ? day - 7 : day;
}

void zone_rule_year(const struct zone_rule *r, int64_t year, struct zone_change ret[2])
{
	/* Each is told in the local time that it ends. */
	struct zone_change start = {day_of(&r->start, year) * DAY_S + r->start.time_s - r->std_s,
								r->dst_s};
	struct zone_change end = {day_of(&r->end, year) * DAY_S + r->end.time_s - r->dst_s, r->std_s};

	ret[0] = start.at_s < end.at_s ? start : end;
	ret[1] = start.at_s < end.at_s ? end : start;
}
