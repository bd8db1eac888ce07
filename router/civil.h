/*
 * The proleptic Gregorian calendar as numbers: days and seconds of the day.
 * Pure, header only; mktime and friends ask the process's own time zone.
 */
#pragma once

#include <stdint.h>

#define DAY_S INT64_C(86400)

struct civil {
	int64_t year;
	unsigned month; /* 1 to 12 */
	unsigned day;   /* 1 to 31 */
};

/* Towards minus infinity, for moments before 1970. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970-01-01; March is the first month of the years it counts in, so that a leap day
 * comes last. */
static inline int64_t civil_days(int64_t year, unsigned month, unsigned day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_div(y, 400);
	int64_t in_era = y - era * 400;
	int64_t in_year = (int64_t)(153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + (int64_t)day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static inline struct civil civil_of(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t in_era = z - era * 146097;
	int64_t of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
	int64_t mp = (5 * in_year + 2) / 153;
	unsigned month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);

	return (struct civil){
		.year = of_era + era * 400 + (month <= 2),
		.month = month,
		.day = (unsigned)(in_year - (153 * mp + 2) / 5 + 1),
	};
}

/* 0 is Sunday. */
static inline unsigned civil_weekday(int64_t days)
{
	return (unsigned)((days % 7 + 11) % 7);
}
