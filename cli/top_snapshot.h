/*
 * Answers of the components → one object that says all: what `millrace top`
 * shows, and prints with --json. The keys are those of the gateway's snapshot
 * (/api/v1/overview). Pure.
 */
#pragma once

#include "common/rates.h"

#include <jansson.h>

struct top_answers {
	/* As api.* told them last; NULL: not known (nobody answers). Borrowed. */
	const json_t *lanes;     /* api.lane.list */
	const json_t *scheduled; /* api.lane.scheduled */
	const json_t *nodes;     /* api.node.list */
	const json_t *pools;     /* api.pool.list */
	const json_t *scaler;    /* api.scaler.status */
	const json_t *stats;     /* api.task.stats */
	const json_t *heal;      /* api.heal.status */
	const json_t *history;   /* api.scaler.history */
	const json_t *groups;    /* api.dead.groups; not asked for unless it is looked at */
	const struct rates *rates;
	bool broker;            /* is there */
	const char *broker_why; /* why not, or "" */
	int64_t now_mono_ms;
	json_t *standing;       /* health_view's memory; an object of the caller's */
	bool looked; /* components were asked, and had time to answer: who is missing is a problem */
};

#define TOP_WINDOW_MS 10000 /* percentiles are of so long */
#define TOP_SLA_S 0.5       /* what a task may wait */

/*
 * {"at","overview":{"rates","depths","totals","wait","run","nodes","sla"},"components","lanes","nodes","pools","scaler",
 * "health":{"ok","problems"},"decisions","dead"}. What is not known is null. Returns owned.
 */
json_t *top_snapshot(const struct top_answers *a, int64_t now_wall_ns);
