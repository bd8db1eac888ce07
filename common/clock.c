/*
 * Time as numbers, and numbers as text. Reading a clock is the edge; all
 * else here is pure. It stands alone so that the text forms of durations and
 * instants are the same in headers, configuration, records and tables. Text
 * that is wrong is refused with a sentence, never rounded into something else.
 */
#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define LONGEST_NS (INT64_C(100) * 366 * 86400 * NS_PER_S)

static int64_t read_clock(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return read_clock(CLOCK_MONOTONIC) / NS_PER_MS;
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\302\265s", 1000}, /* micro sign */
	{"\316\274s", 1000}, /* Greek mu */
	{"ms", NS_PER_MS},
	{"s", NS_PER_S},
	{"m", 60 * NS_PER_S},
	{"h", 3600 * NS_PER_S},
	{"d", 86400 * NS_PER_S},
};

/* The unit at *p, which moves behind it; a number that ends the text alone is in seconds. */
static int64_t take_unit(const char **p, bool alone)
{
	if (!**p && alone)
		return NS_PER_S;
	size_t len = 0;
	while ((*p)[len] && !digit((*p)[len]) && (*p)[len] != '.')
		len++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strlen(units[i].name) == len && memcmp(units[i].name, *p, len) == 0) {
			*p += len;
			return units[i].ns;
		}
	}
	return 0;
}

/* One "<number><unit>" at *p. Digits of the fraction beyond the nanosecond are dropped. */
static bool take_part(const char **p, bool first, int64_t *ret_ns)
{
	int64_t whole = 0, fraction = 0, scale = 1;
	bool any = digit(**p);
	for (; digit(**p); (*p)++) {
		if (whole > LONGEST_NS / 10)
			return false;
		whole = whole * 10 + (**p - '0');
	}
	if (**p == '.') {
		for ((*p)++; digit(**p); (*p)++) {
			any = true;
			if (scale < INT64_C(1000000000000000)) {
				fraction = fraction * 10 + (**p - '0');
				scale *= 10;
			}
		}
	}
	int64_t unit = any ? take_unit(p, first) : 0;
	if (!unit || whole > LONGEST_NS / unit)
		return false;
	*ret_ns = whole * unit + (int64_t)((__int128)fraction * unit / scale);
	return true;
}

int duration_parse(const char *text, int64_t *ret_ns, struct err *e)
{
	int64_t sum = 0;
	const char *p = text;
	bool ok = *p != '\0';
	while (ok && *p) {
		int64_t part = 0;
		ok = take_part(&p, p == text, &part);
		sum += part;
		ok = ok && sum <= LONGEST_NS;
	}
	if (!ok)
		return err_set(e, ERR_INVALID,
					   "\"%.64s\" is no duration; write it like 30s, 1m30s, 200ms or 1.5h "
					   "(100 years at most)",
					   text);
	*ret_ns = sum;
	return 0;
}

/* "<whole>.<fraction><unit>" without idle zeros. */
static void format_fraction(int64_t ns, int64_t unit, const char *name, char out[32])
{
	int len = snprintf(out, 32, "%" PRId64, ns / unit);
	int64_t rest = ns % unit;
	if (rest) {
		out[len++] = '.';
		for (int64_t step = unit / 10; rest; step /= 10) {
			out[len++] = (char)('0' + rest / step);
			rest %= step;
		}
	}
	snprintf(out + len, 32 - (size_t)len, "%s", name);
}

void duration_format(int64_t ns, char out[32])
{
	size_t len = 0;
	if (ns < 0) {
		out[len++] = '-';
		ns = ns == INT64_MIN ? INT64_MAX : -ns;
	}
	for (size_t i = ARRAY_LEN(units); i-- > 0 && units[i].ns > NS_PER_S;) {
		if (ns >= units[i].ns) {
			len += (size_t)snprintf(out + len, 32 - len, "%" PRId64 "%s", ns / units[i].ns,
									units[i].name);
			ns %= units[i].ns;
		}
	}
	if (ns == 0 && len > 0 && out[len - 1] != '-') {
		out[len] = '\0';
		return;
	}
	char small[32];
	if (ns == 0 || ns >= NS_PER_S)
		format_fraction(ns, NS_PER_S, "s", small);
	else if (ns >= NS_PER_MS)
		format_fraction(ns, NS_PER_MS, "ms", small);
	else if (ns >= 1000)
		format_fraction(ns, 1000, "us", small);
	else
		format_fraction(ns, 1, "ns", small);
	snprintf(out + len, 32 - len, "%s", small);
}

/* Exactly n digits. */
static bool take_digits(const char **p, int n, int *ret)
{
	int value = 0;
	for (; n > 0; n--, (*p)++) {
		if (!digit(**p))
			return false;
		value = value * 10 + (**p - '0');
	}
	*ret = value;
	return true;
}

static bool take_char(const char **p, const char *any_of)
{
	if (!**p || !strchr(any_of, **p))
		return false;
	(*p)++;
	return true;
}

/* What stands behind the seconds: up to nine digits of fraction, then "Z" or "+hh:mm". */
static bool take_rest(const char **p, int64_t *ret_fraction_ns, int64_t *ret_offset_s)
{
	*ret_fraction_ns = *ret_offset_s = 0;
	if (take_char(p, ".")) {
		int64_t step = NS_PER_S;
		if (!digit(**p))
			return false;
		for (; digit(**p); (*p)++) {
			step /= 10;
			if (!step)
				return false;
			*ret_fraction_ns += (**p - '0') * step;
		}
	}
	if (take_char(p, "Zz"))
		return !**p;
	bool west = **p == '-';
	int hours, minutes;
	if (!take_char(p, "+-") || !take_digits(p, 2, &hours) || !take_char(p, ":") ||
		!take_digits(p, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_offset_s = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
	return !**p;
}

static bool parse_rfc3339(const char *p, int64_t *ret_wall_ns)
{
	struct tm t = {0};
	int64_t fraction_ns, offset_s;
	if (!take_digits(&p, 4, &t.tm_year) || !take_char(&p, "-") || !take_digits(&p, 2, &t.tm_mon) ||
		!take_char(&p, "-") || !take_digits(&p, 2, &t.tm_mday) || !take_char(&p, "Tt ") ||
		!take_digits(&p, 2, &t.tm_hour) || !take_char(&p, ":") || !take_digits(&p, 2, &t.tm_min) ||
		!take_char(&p, ":") || !take_digits(&p, 2, &t.tm_sec) ||
		!take_rest(&p, &fraction_ns, &offset_s))
		return false;
	/* 64 bits of nanoseconds reach from 1677 to 2262. */
	if (t.tm_year < 1678 || t.tm_year > 2261 || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 ||
		t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
		return false;
	t.tm_year -= 1900;
	t.tm_mon -= 1;
	int day = t.tm_mday;
	bool leap_second = t.tm_sec == 60;
	t.tm_sec -= leap_second;
	int64_t seconds = (int64_t)timegm(&t);
	if (t.tm_mday != day) /* February 30th moved on */
		return false;
	*ret_wall_ns = (seconds + leap_second - offset_s) * NS_PER_S + fraction_ns;
	return true;
}

int time_parse(const char *text, int64_t *ret_wall_ns, struct err *e)
{
	if (!parse_rfc3339(text, ret_wall_ns))
		return err_set(e, ERR_INVALID,
					   "\"%.64s\" is no time; write it like 2026-01-02T03:04:05Z or "
					   "2026-01-02T03:04:05.5+02:00",
					   text);
	return 0;
}

/* width digits of v; a router formats a time for every task, and printf would be felt there. */
static char *put_digits(char *out, unsigned v, unsigned width, char after)
{
	for (unsigned i = width; i-- > 0; v /= 10)
		out[i] = (char)('0' + v % 10);
	out[width] = after;
	return out + width + 1;
}

void time_format(int64_t wall_ns, char out[32])
{
	int64_t seconds = wall_ns / NS_PER_S, rest = wall_ns % NS_PER_S;
	if (rest < 0) {
		rest += NS_PER_S;
		seconds--;
	}
	struct tm t;
	time_t when = (time_t)seconds;
	gmtime_r(&when, &t);
	out = put_digits(out, (unsigned)(t.tm_year + 1900), 4, '-');
	out = put_digits(out, (unsigned)(t.tm_mon + 1), 2, '-');
	out = put_digits(out, (unsigned)t.tm_mday, 2, 'T');
	out = put_digits(out, (unsigned)t.tm_hour, 2, ':');
	out = put_digits(out, (unsigned)t.tm_min, 2, ':');
	out = put_digits(out, (unsigned)t.tm_sec, 2, '.');
	out = put_digits(out, (unsigned)(rest / 1000), 6, 'Z');
	*out = '\0';
}
