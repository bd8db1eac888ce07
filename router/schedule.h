/*
 * A schedule as values: whether its record makes sense, what it has to submit
 * now, and as what. Pure but for reading the tz database through zones.h.
 */
#pragma once

#include "common/clock.h"
#include "common/token.h"
#include "proto/schedule.pb-c.h"
#include "router/cron.h"
#include "router/zones.h"

#define H_TASK_SCHEDULE "Task-Schedule" /* its name, on each of its tasks */
#define H_TASK_TICK "Task-Tick"         /* RFC 3339: which tick */

/* A tick that is older counts as missed. */
#define SCHEDULE_LATE_S 30
#define SCHEDULE_CATCH_UP_MAX 1000

enum catch_up { CATCH_UP_NONE, CATCH_UP_LAST, CATCH_UP_ALL };

struct schedule_rule {
	struct cron cron;
	const struct zone *zone; /* until zones_forget */
	enum catch_up catch_up;
};

/*
 * Reads and judges a record. ERR_INVALID names the field at fault: "cron: …", "tz: …", "type: …",
 * "headers: …".
 */
MUST_CHECK int schedule_read(const Millrace__Schedule *s, struct zones *zones,
							 struct schedule_rule *ret, struct err *e);

/* Ticks after this moment are still to come: the later of its last tick and its since; before the
 * entry was ever written by a router, when it was stored. Seconds. */
int64_t schedule_base_s(const Millrace__Schedule *s, int64_t stored_wall_ns);
/* From when @every counts. */
int64_t schedule_anchor_s(const Millrace__Schedule *s, int64_t stored_wall_ns);

struct schedule_plan {
	bool due;       /* tick_s is to be submitted, or to be left out */
	bool submit;    /* else it is only noted as the last tick */
	bool left_out;  /* earlier ticks than it were, for good */
	int64_t tick_s; /* the next step; there may be more of them */
};
/* What is to be done now about the ticks in (base, now]. most: of CATCH_UP_ALL, 1 to
 * SCHEDULE_CATCH_UP_MAX. */
struct schedule_plan schedule_plan(const struct schedule_rule *r, int64_t anchor_s, int64_t base_s,
								   int64_t now_s, size_t most);

/* The id of a tick's task: "nightly.20260102T030405Z". */
void schedule_task_id(const char *name, int64_t tick_s, char out[TASK_ID_MAX + 1]);
/* Its Nats-Msg-Id: "nightly@2026-01-02T03:04:05Z". */
void schedule_msg_id(const char *name, int64_t tick_s, char out[TASK_ID_MAX + 1]);
