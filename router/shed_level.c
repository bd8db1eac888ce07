/*
 * The decision of load shedding, apart from the looking (shed.c), so that its
 * edges can be held by a table: low before normal, high never, and no
 * flicker. Nothing here fails.
 */
#include "router/shed_level.h"

#define SLACK 0.05

static double share_of(double used, double max)
{
	return max > 0 ? used / max : 0;
}

double shed_share(double messages, double messages_max, double bytes, double bytes_max)
{
	double m = share_of(messages, messages_max), b = share_of(bytes, bytes_max);

	return MAX_OF(m, b);
}

static bool reached(double begin, bool in_it, double share)
{
	return share >= (in_it ? begin - SLACK : begin);
}

enum shed_level shed_level_next(const struct shed_rule *rule, enum shed_level now, double share)
{
	if (reached(rule->normal, now >= SHED_NORMAL, share))
		return SHED_NORMAL;
	if (reached(rule->low, now >= SHED_LOW, share))
		return SHED_LOW;
	return SHED_NOTHING;
}

bool shed_refuses(enum shed_level level, enum task_class class)
{
	switch (class) {
	case CLASS_HIGH:
	case CLASS_COUNT:
		return false;
	case CLASS_NORMAL:
		return level >= SHED_NORMAL;
	case CLASS_LOW:
		return level >= SHED_LOW;
	}
	return false;
}
