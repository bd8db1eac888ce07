/* What is wrong, in sentences with a remedy. Pure. */
#pragma once

#include <jansson.h>

#include "common/rates.h"

struct health_input {
	bool broker;
	const char *broker_why;   /* of one that is away */
	bool asked;               /* the components were asked: who did not answer is not there */
	int database;             /* 1, 0: away; -1: not known */
	const char *database_why; /* of one that is away */
	const struct rates *rates;
	const json_t *lanes, *nodes, *pools; /* lists; NULL: not known */
	const json_t *checks;                /* of api.heal.status; NULL: not known */
	int64_t now_mono_ms;
};

/* A lane with waiting tasks, nodes, and nothing that runs is stuck after so long. */
#define HEALTH_STUCK_MS 15000
#define HEALTH_PROBLEMS_MAX 50 /* the worst; of further ones how many */

/*
 * {"ok","broker","database","router","store","scaler","nodes","problems"}; owned. standing: an object that the caller keeps:
 * since when lanes stand still.
 */
json_t *health_view(const struct health_input *in, json_t *standing);
