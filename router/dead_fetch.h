/* One message of DEAD, whole: by its sequence, or by the id of its task. */
#pragma once

#include "router/letter.h"
#include "router/router.h"

/*
 * m is the direct get's answer, borrowed unless taken; l and lm point into it. NULL with e:
 * ERR_NOT_FOUND where DEAD has no such message (any more).
 */
typedef void (*dead_on_fetched)(void *data, struct bus_msg **m, const struct letter_message *lm,
								const struct letter *l, const struct err *e);
/* 0: not known, or no store answers. */
typedef void (*dead_on_hint)(void *data, uint64_t seq);
typedef void (*dead_on_removed)(void *data, const struct err *e);

/* A question under way: memory of the asker's, which stays until it is answered or the bus closed. */
struct dead_call {
	dead_on_fetched on_fetched;
	dead_on_hint on_hint;
	dead_on_removed on_removed;
	void *data;
};

MUST_CHECK int dead_fetch(struct router *r, uint64_t seq, struct dead_call *c,
						  dead_on_fetched on_fetched, void *data, struct err *e);
/*
 * Where the letter of that task lies, as its row says (api.task.get): a hint that saves the walk
 * through DEAD.
 */
MUST_CHECK int dead_hint(struct router *r, const char *task_id, struct dead_call *c,
						 dead_on_hint on_hint, void *data, struct err *e);
/* Takes it out of DEAD. One that is gone already is fine. */
MUST_CHECK int dead_remove(struct router *r, uint64_t seq, struct dead_call *c,
						   dead_on_removed on_removed, void *data, struct err *e);
