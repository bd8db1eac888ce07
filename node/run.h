/*
 * One execution of a task: from its delivery to its settled outcome.
 *
 *	begun ──(refused: unreadable, delivered too often, expired)──▶ finished
 *	  └▶ handler runs ──handler_done / timeout──▶ finished ──outcome acknowledged──▶ settled, freed
 *
 * From begun to settled it is kept by +WPI (running.c).
 */
#pragma once

#include "common/jetstream.h"
#include "common/task.h"
#include "node/handler.h"
#include "node/node.h"
#include "node/puller.h"

/* Delivered more often than that, a task takes its nodes down with it: to the router, unrun. */
#define RUN_DELIVERIES_MAX 10u
#define RUN_ACK_WAIT_MS 8000
#define RUN_ERROR_MAX 2000
#define CONTENT_TYPE_MAX 255 /* as of a body's, task.h */

/* Why its handler was told to stop, or it was not begun. */
enum run_stop { RUN_GOES_ON, RUN_TIMED_OUT, RUN_CANCELLED, RUN_MOVED };

/* Which list of running.c, report.c, permits.c or direct.c it is on. */
enum run_place { RUN_NOWHERE, RUN_FRESH, RUN_LONG, RUN_GATHERED, RUN_IN_BATCH, RUN_ACT, RUN_WAITING,
				 RUN_HELD };

struct fetch;
struct object_put;

struct run {
	struct handler_run h;
	struct node *node;
	struct served_lane *lane;
	struct bus_msg *msg;
	struct task task;
	char *made_id; /* where the message has none that can be used */
	uint64_t lane_seq, deliveries, epoch;
	size_t body_bytes;
	int64_t arrived_wall_ns; /* on its lane, by the broker's clock */
	int64_t started_wall_ns, finished_wall_ns;
	int64_t started_ms, deadline_ms;
	int64_t kept_ms; /* when ack_wait last started anew; monotonic */
	bool stale;      /* kept too late: somebody else may have it by now */
	bool starting, finished;
	enum run_stop stop;
	bool direct; /* given to this node, by its own queue */
	/* The outcome: */
	enum handler_outcome outcome;
	void *data;
	size_t len;
	struct fetch *fetch;          /* of the object that it names */
	bool fetching;                /* and it is not there yet: the handler has not begun */
	struct object_put *put;       /* of its result */
	struct timeout put_again;
	char *result_object;          /* "bucket/name": there its result is, and data is NULL */
	uint64_t result_bytes;        /* its size there */
	bool borrowed, permanent;
	char *content_type, *error;
	const char *reason;
	int64_t retry_after_ns;
	struct permit_key *permit_key; /* of its lane's limit per key; NULL: none */
	enum run_place place;
	struct run *prev, *next;           /* of place */
	struct run *kept_prev, *kept_next; /* all, by kept_ms */
};

/*
 * Takes *m; slots and the lane's group have counted it. direct: it came by this node's own queue.
 * May finish before it returns.
 */
void run_begin(struct node *n, struct served_lane *l, struct bus_msg **m,
			   const struct js_meta *meta, bool direct);
/* For permits.c: one that waited for a place has it now; or goes back unrun, for so long. */
void run_start(struct run *r);
/* For direct.c: its type has room now. */
void run_start_held(struct run *r);
void run_return(struct run *r, const char *reason, const char *error, int64_t retry_after_ns);
/* Its handler is to end: its time is over, or the bucket `cancels` says so. Once. */
void run_stop(struct run *r, enum run_stop why);
/* Its outcome is stored (and the lane's message acknowledged by then) or given up; frees r. */
void run_settle(struct run *r);
/* Frees r, its lane's message untouched: what the drain's deadline left. */
void run_drop(struct run *r);
/* Ends the work, whatever it is at: the handler's by its cancel, a fetch at once. */
void run_stop_work(struct run *r);
/* The result is in the object store: its bytes are not needed any more. */
void run_forget_result(struct run *r);
/* Turns a success whose result can't be stored into a failure. */
void run_fail_instead(struct run *r, const char *reason, const char *error);
