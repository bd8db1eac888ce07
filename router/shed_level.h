/*
 * Which submissions are refused while what everything needs fills up. Pure:
 * shares in, a decision out.
 */
#pragma once

#include "common/token.h"

struct shed_rule {
	double low;    /* from this share on, low ones */
	double normal; /* from this share on, normal ones too; high ones never */
};

enum shed_level { SHED_NOTHING, SHED_LOW, SHED_NORMAL };

/* How full a stream is: the larger of its two shares. A limit of 0 or less is none. */
double shed_share(double messages, double messages_max, double bytes, double bytes_max);
/*
 * The level for a share. It is left only when the share is 5 % (of the whole) below where the level
 * begins, so that a stream at the edge does not flicker.
 */
enum shed_level shed_level_next(const struct shed_rule *rule, enum shed_level now, double share);
bool shed_refuses(enum shed_level level, enum task_class class);
