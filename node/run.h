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

/* Which list of running.c, report.c or direct.c it is on. */
enum run_place { RUN_NOWHERE, RUN_FRESH, RUN_LONG, RUN_GATHERED, RUN_IN_BATCH, RUN_ACT, RUN_HELD };

struct run {
	struct handler_run h;
	struct node *node;
	struct served_lane *lane;
	struct bus_msg *msg;
	struct task task;
	char *made_id; /* where the message has none that can be used */
	uint64_t lane_seq, deliveries, epoch;
	size_t body_bytes;
	int64_t started_wall_ns, finished_wall_ns;
	int64_t started_ms, deadline_ms;
	int64_t kept_ms; /* when ack_wait last started anew; monotonic */
	bool stale;      /* kept too late: somebody else may have it by now */
	bool starting, finished, cancelled;
	bool direct; /* given to this node, by its own queue */
	/* The outcome: */
	enum handler_outcome outcome;
	void *data;
	size_t len;
	bool borrowed, permanent;
	char *content_type, *error;
	const char *reason;
	int64_t retry_after_ns;
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
/* One that was held may run now. */
void run_start(struct run *r);
/* The task's time is over. */
void run_time_out(struct run *r);
/* Its outcome is stored (and the lane's message acknowledged by then) or given up; frees r. */
void run_settle(struct run *r);
/* Frees r, its lane's message untouched: what the drain's deadline left. */
void run_drop(struct run *r);
/* Turns a success whose result can't be stored into a failure. */
void run_fail_instead(struct run *r, const char *reason, const char *error);
