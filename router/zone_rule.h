/*
 * The rule that ends a file of the tz database: "CET-1CEST,M3.5.0,M10.5.0/3"
 * says what holds for ever after. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct zone_change {
	int64_t at_s;
	int32_t offset_s; /* from then on */
};

enum zone_day_kind {
	ZONE_DAY_MONTH,   /* M: the nth weekday of a month, 5 the last */
	ZONE_DAY_NO_LEAP, /* J: 1 to 365, the 29th of February never counted */
	ZONE_DAY_OF_YEAR, /* 0 to 365 */
};
struct zone_day {
	enum zone_day_kind kind;
	unsigned month, week, weekday; /* of M */
	unsigned day;
	int32_t time_s; /* local, of that day; may be negative or beyond a day */
};

struct zone_rule {
	int32_t std_s, dst_s;
	bool has_dst;
	struct zone_day start, end; /* of daylight saving */
};

bool zone_rule_parse(const char *text, struct zone_rule *ret);
/* The changes of a year, the one that begins a year of nothing but dst last. */
void zone_rule_year(const struct zone_rule *r, int64_t year, struct zone_change ret[2]);
