/*
 * Which headers go on. Pure: lists in, lists out. What passes from the
 * publisher to the handler, what never does, and what the router adds on a
 * lane, on DELAYED and on DEAD.
 */
#pragma once

#include "common/submission.h"

/*
 * Whether a publisher's header goes on to the handler: not what only the
 * router sets (and so sets anew itself), not a Nats-* control, and nothing
 * that could not be sent again.
 */
bool header_passes(const char *name, const char *value);

enum header_target { TO_LANE, TO_DIRECT, TO_DELAYED, TO_DEAD };

/* Why and how a task ended; for TO_DEAD. Texts may be NULL. */
struct burial {
	const char *reason; /* as in H_OUTCOME_REASON */
	const char *error;  /* a sentence */
	const char *node;
	const char *version;     /* of the handler */
	const char *fingerprint; /* of the error */
	const char *left_out;    /* what the dead letter is without: "headers", "body" */
	int64_t started_wall_ns;
	int64_t finished_wall_ns;
};

/* Of Outcome-Error in a dead letter and its record; nodes cut theirs about here. */
#define OUTCOME_ERROR_MAX 2047

/* A list of headers, with the texts that had to be made for it. Reused: no memory is taken once it
 * has grown. */
struct header_list {
	struct bus_header *items;
	size_t n;
	size_t cap;
	char texts[7][160];
	char error[OUTCOME_ERROR_MAX + 1];
};

/*
 * Fills list with what passes of s and what the router adds for that target.
 * msg_id is the Nats-Msg-Id. The list points into s, burial, msg_id and itself, and stands until
 * its next use.
 */
void headers_make(struct header_list *list, enum header_target target, const struct submission *s,
				  const char *msg_id, const struct burial *burial);
/* Only what the router adds: for a dead letter whose own headers could not be sent again. */
void headers_make_bare(struct header_list *list, enum header_target target,
					   const struct submission *s, const char *msg_id, const struct burial *burial);
void headers_add(struct header_list *list, const char *name, const char *value);
void header_list_release(struct header_list *list);

/* Room for "<task>/<attempt>/<epoch>" and a short word behind it. */
#define MSG_ID_MAX (TASK_ID_MAX + 48)
/* The Nats-Msg-Id of a task's publish: the same on every repeat. suffix: "" or "/dead". */
void headers_msg_id(const struct submission *s, const char *suffix, char out[MSG_ID_MAX]);
