/*
 * The headers of a message on events.act: those of the lane's message, and
 * how the attempt ended. Pure.
 */
#pragma once

#include "common/bus.h"
#include "common/task.h"

#define ACT_HEADERS_MAX_ADDED 15

struct act {
	const char *id, *type, *node, *lane, *reason, *error;
	const char *version; /* of the handler, or NULL */
	unsigned attempt;
	uint64_t epoch; /* of the execution */
	bool returned;  /* no attempt was spent */
	bool permanent;
	int64_t retry_after_ns; /* 0: absent */
	int64_t started_wall_ns, finished_wall_ns;
};

/* Room for the values that are made. */
struct act_text {
	char msg_id[TASK_ID_MAX + 64], retry_after[32], started[32], finished[32];
};

/*
 * Fills ret (room for n + ACT_HEADERS_MAX_ADDED) and returns how many. Of the original ones every
 * Nats-* and Outcome-* is left out; Task-Id is a's where it differs. Strings point into a, the
 * originals and text.
 */
size_t act_headers(const struct act *a, const struct bus_header *original, size_t n,
				   struct act_text *text, struct bus_header *ret);
