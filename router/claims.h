/*
 * Each replay and manual retry runs once, whoever asked for it and however
 * often: bucket `replays` has a key for each id of another try, whose value
 * names the one message of TASKS that may go on under it.
 */
#pragma once

#include "router/transit.h"

/* A message of TASKS that is another try of a task: Task-Retry-Of and Task-Id fit each other. */
bool claims_needed(const struct arrival *a, const struct submission *s);
/*
 * Takes the transit in hand: on to dispatch_task where its message has the claim, or is the first
 * to ask for it; else it ends here, acked, for another message of the same task went on.
 */
void claims_pass(struct transit *t);

/* Whether that try was begun; told once, later. false too where nobody can say. */
struct claim_look {
	void (*on_known)(void *data, bool begun);
	void *data;
};
MUST_CHECK int claims_look(struct router *r, const char *retry_id, struct claim_look *look,
						   struct err *e);
