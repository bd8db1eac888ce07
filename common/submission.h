/*
 * A task on its way through the router, as values: what a message of TASKS,
 * DELAYED or events.act, or a request on run.<type>, asks for. Texts point
 * into that message, or into memory that the submission keeps itself (what a
 * spec on the bare subject `tasks` spelled out).
 */
#pragma once

#include "common/bus.h"
#include "common/placement.h"
#include "common/token.h"

struct keep; /* a piece of memory that lives as long as its submission */

struct submission {
	char id[TASK_ID_MAX + 1];
	struct lane lane; /* type "" where not even that could be understood */
	enum task_class class;
	unsigned attempt;   /* 1 for the first */
	unsigned attempts;  /* the most there may be; 0: the router's default */
	unsigned deliveries; /* that it had before this publish, of nodes that were lost with it */
	unsigned deferrals; /* how often it was put off without an attempt spent */
	uint32_t epoch;     /* of the next publish */
	uint64_t sequence;  /* in TASKS; 0 for run.<type> */
	int64_t submitted_wall_ns;
	int64_t due_wall_ns;     /* not before then; 0: at once */
	int64_t expires_wall_ns; /* not after then; 0: never */
	int64_t timeout_ns;
	bool timeout_by_type; /* the publisher named none: the header is added */
	int64_t wait_ns;
	int64_t waits_since_wall_ns; /* for a node that it needs; 0: it does not */
	const char *project;
	const char *node, *same_node_as, *not_nodes; /* as the headers have them; placement.h */
	enum balance balance;
	const char *content_type;
	const char *reply_to;
	const char *avoid; /* nodes that failed it, comma-separated; NULL: none */
	const char *unique;   /* the key that no other unfinished task of its type may have */
	const char *retry_of;
	int64_t unique_for_ns;
	int64_t result_keep_ns; /* 0: not said; TASK_RESULT_NEVER */
	/* As the publisher gave them; headers.h says which of them pass. */
	const struct bus_header *headers;
	size_t nheaders;
	const void *body;
	size_t body_len;
	struct keep *kept;
};

/* Memory of len bytes that ends with the submission; the pointer stays where it is. */
void *submission_keep(struct keep **kept, size_t len_bytes);
/* A NUL-terminated copy of that kind. */
char *submission_keep_text(struct keep **kept, const char *text, size_t len);
void keep_release(struct keep **kept);
/* Copies body and headers, so that the message may go. */
void submission_own(struct submission *s);
void submission_release(struct submission *s);
