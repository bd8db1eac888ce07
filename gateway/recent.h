/*
 * The tasks that this gateway submitted last. A client that asks for one at
 * once would find none: its row comes some milliseconds after the submit was
 * acknowledged. A hint, no state: who is not in it is asked of the store all the same.
 */
#pragma once

#include "common/token.h"

#define RECENT_MAX 4096u

struct recent_task {
	char id[TASK_ID_MAX + 1], type[TOKEN_MAX + 1], lane[LANE_MAX + 1];
	int64_t at_mono_ms;
};
struct recent {
	struct recent_task *ring; /* made with the first */
	size_t next;
};
void recent_note(struct recent *r, const char *id, const char *type, const char *lane);
/* NULL: not among the last, or longer ago than ten seconds. */
const struct recent_task *recent_find(const struct recent *r, const char *id);
void recent_release(struct recent *r);
