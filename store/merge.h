/*
 * A batch of events becomes one row a task. Pure: no clock, no bus, no
 * database, and the outcome does not depend on the order in which the events
 * are put in, so that a batch that is delivered again, in any order and cut in
 * any way, ends in the same rows. millrace.put_tasks holds the same rules
 * between a row here and the one that is in the table already.
 *
 * Records that are put in are borrowed until merge_reset.
 */
#pragma once

#include <uthash.h>

#include "event.pb-c.h"
#include "store/arena.h"

/* A task's events that met, each kind's one that counts. */
struct merge_task {
	const char *id;
	const Millrace__Queued *facts;    /* with the body, where any has it */
	const Millrace__Queued *queued;   /* of the highest epoch */
	const Millrace__Started *started; /* of the highest epoch */
	const Millrace__Outcome *outcome; /* the first in the stream */
	uint64_t outcome_order;
	int64_t submitted_wall_ns; /* the earliest that is known of it */
	int64_t seen_wall_ns;   /* the earliest of its events in the stream: in place of the former */
	int64_t queued_wall_ns; /* the latest */
	int64_t due_wall_ns;    /* the latest */
	uint64_t lane_seq;      /* of the latest word on where the task is; 0: it does not say */
	uint32_t place;         /* which word: 2 * the router's epoch, + 1 for a lane; later ones are higher */
	Millrace__State stored_state; /* what the table says after the write, where it is not what was
									 written; else 0 */
	bool refused;                 /* by the database: not stored */
	UT_hash_handle hh;
};

/* An execution that is worth a row of its own. Strings are in the arena or a record. */
struct merge_attempt {
	const char *key; /* "id/attempt" */
	const char *task_id;
	uint32_t attempt;
	uint64_t epoch;
	const char *outcome; /* completed, failed, returned */
	const char *node, *lane, *reason, *error;
	int64_t started_wall_ns, finished_wall_ns;
	UT_hash_handle hh;
};

struct merge_node {
	const char *name;
	const Millrace__NodeStatus *status; /* the latest heartbeat */
	UT_hash_handle hh;
};

/* What is stored as it was told: events of scaling and healing, a node's agents. */
struct merge_note {
	const char *key; /* what tells two apart */
	const char *subject;
	const char *event; /* its record as JSON, which may be published on subject again */
	const char *json;  /* {"kind":…, "event":…} */
	int64_t at_wall_ns;
	UT_hash_handle hh;
};

struct merge {
	struct arena arena;
	struct merge_task *tasks; /* uthash; iterates by id after merge_sort */
	struct merge_attempt *attempts;
	struct merge_node *nodes;
	struct merge_note *notes;
};

/*
 * order tells events of a kind apart and grows along the stream: the message's
 * sequence << 16 | its place in the message. seen_wall_ns: when the stream stored it.
 */
void merge_queued(struct merge *m, const Millrace__Queued *q, int64_t seen_wall_ns);
void merge_started(struct merge *m, const Millrace__Started *s, int64_t seen_wall_ns);
void merge_outcome(struct merge *m, const Millrace__Outcome *o, uint64_t order,
				   int64_t seen_wall_ns);
void merge_attempt(struct merge *m, const struct merge_attempt *a);
void merge_node(struct merge *m, const Millrace__NodeStatus *n);
/* Copied; its strings are in the arena. Of one key the latest counts. */
void merge_note(struct merge *m, const struct merge_note *n);

size_t merge_task_count(const struct merge *m);
size_t merge_attempt_count(const struct merge *m);
size_t merge_node_count(const struct merge *m);
size_t merge_note_count(const struct merge *m);
/* By id, by task and attempt, by name, by key: two stores that write the same rows then never deadlock. */
void merge_sort(struct merge *m);
/* Empty again; memory is kept. */
void merge_reset(struct merge *m);
void merge_release(struct merge *m);

bool state_is_final(Millrace__State s);

/* A merged task as it is written. Absent: NULL, and 0 for times and sequences. */
struct task_row {
	const char *id, *type, *lane, *node;
	const char *error, *reason; /* how it ended, or why it waits */
	Millrace__State state;
	uint32_t attempt;
	uint64_t epoch;
	int64_t submitted_wall_ns, queued_wall_ns, due_wall_ns, started_wall_ns, finished_wall_ns;
	uint64_t lane_seq;
	uint32_t place; /* 0: nothing is known of where it is */
	const Millrace__Queued *facts;    /* or NULL: its submission has not come yet */
	const Millrace__Outcome *outcome; /* or NULL: not final */
};
void merge_task_row(const struct merge_task *t, struct task_row *ret);
