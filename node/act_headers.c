/*
 * What the router needs to decide about a task whose attempt failed, in
 * headers, since the body stays what it was. It stands alone as a pure
 * function: a header too many (Nats-Expected-Stream) would wedge the publish
 * for ever, one too few would lose the task's facts.
 */
#include "node/act_headers.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "common/clock.h"

/* Task-Type is given anew: on a lane it isn't set. */
static bool left_out(const char *name)
{
	return strncasecmp(name, "Nats-", 5) == 0 || strncasecmp(name, "Outcome-", 8) == 0 ||
		   strcasecmp(name, H_OUTCOME) == 0 || strcasecmp(name, H_TASK_ID) == 0 ||
		   strcasecmp(name, H_TASK_TYPE) == 0;
}

size_t act_headers(const struct act *a, const struct bus_header *original, size_t n,
				   struct act_text *t, struct bus_header *ret)
{
	size_t k = 0;

	snprintf(t->msg_id, sizeof(t->msg_id), "%s/%u/%" PRIu64 "/act", a->id, a->attempt, a->epoch);
	time_format(a->started_wall_ns, t->started);
	time_format(a->finished_wall_ns, t->finished);
	ret[k++] = (struct bus_header){H_MSG_ID, t->msg_id};
	ret[k++] = (struct bus_header){H_TASK_ID, a->id};
	ret[k++] = (struct bus_header){H_TASK_TYPE, a->type};
	for (size_t i = 0; i < n; i++) {
		if (!left_out(original[i].name))
			ret[k++] = original[i];
	}
	ret[k++] = (struct bus_header){H_OUTCOME, a->returned ? "returned" : "failed"};
	ret[k++] = (struct bus_header){H_OUTCOME_REASON, a->reason};
	ret[k++] = (struct bus_header){H_OUTCOME_ERROR, a->error};
	if (a->permanent)
		ret[k++] = (struct bus_header){H_OUTCOME_PERMANENT, "true"};
	if (a->retry_after_ns) {
		duration_format(a->retry_after_ns, t->retry_after);
		ret[k++] = (struct bus_header){H_OUTCOME_RETRY_AFTER, t->retry_after};
	}
	if (a->version)
		ret[k++] = (struct bus_header){H_OUTCOME_VERSION, a->version};
	ret[k++] = (struct bus_header){H_OUTCOME_NODE, a->node};
	ret[k++] = (struct bus_header){H_OUTCOME_LANE, a->lane};
	ret[k++] = (struct bus_header){H_OUTCOME_STARTED, t->started};
	ret[k++] = (struct bus_header){H_OUTCOME_FINISHED, t->finished};
	return k;
}
