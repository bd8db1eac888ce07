/*
 * Between the node and what executes tasks. A handler serves one type; its
 * kind (built in, exec, worker, service, …) is a small table of functions.
 *
 * The life of one execution:
 *
 *	node:    kind->start(h, run)
 *	handler: … handler_done(run, &result)   exactly once, from within start or
 *	                                        later on the loop; run is not the
 *	                                        handler's any more afterwards
 *	node:    kind->cancel(h, run)           at most once, where the task's time is over, or it was
 *	                                        cancelled, or is to run on another node;
 *	                                        the handler stops the work and still ends it
 *	                                        by handler_done, soon, whatever the result: the
 *	                                        node reports a timeout. From within cancel is fine.
 *
 * The slot is taken until handler_done. The node counts time, retries,
 * crash loops and slots; a handler knows nothing of lanes, acks or outcomes.
 * Everything runs on the loop's thread. A synchronous handler must be cheap
 * (microseconds to a millisecond); what takes longer belongs into a child
 * process or uv_queue_work.
 */
#pragma once

#include <uv.h>

#include "common/bus.h"
#include "common/config.h"

struct handler;
struct handler_run;

/* Keys that every handler has in the file; the registry reads them. */
#define SECTION_COMMON_KEYS "type,kind,timeout,slots,version"

/* What is to be done. Everything is borrowed and stays valid until handler_done. */
struct handler_task {
	const char *id;
	const char *type;
	const char *content_type;         /* of the body, or NULL */
	const struct bus_header *headers; /* all of the message's, ours included */
	size_t nheaders;
	const void *body; /* never NULL; not NUL-terminated */
	size_t len;
	const char *file; /* the body is this file (an object's), and len is 0; NULL: it is in body */
	uint64_t file_bytes;
	unsigned attempt;   /* 1 for the first */
	uint64_t epoch;     /* of this execution: grows with every one of the task */
	int64_t timeout_ns; /* what this execution may take; always > 0 */
};

enum handler_outcome {
	RESULT_OK,
	RESULT_FAILED,   /* an attempt was spent */
	RESULT_RETURNED, /* it was not begun (nobody to do it): no attempt is spent, tried again later */
};

struct handler_result {
	enum handler_outcome outcome;
	/* RESULT_OK: the bytes, taken (from malloc; NULL for none) unless borrowed. */
	void *data;
	size_t len;
	bool borrowed; /* data points into the task's body: not freed */
	/* Borrowed for the call of handler_done: */
	const char *content_type; /* of data, or NULL */
	const char *error;        /* a sentence, unless RESULT_OK */
	const char
		*reason; /* error (where NULL), crash, no-responders, no-handler, breaker; a string constant */
	bool permanent; /* RESULT_FAILED: trying again cannot help */
	int64_t retry_after_ns; /* 0: the router's own backoff */
};

/* One execution. The node makes and frees it. */
struct handler_run {
	struct handler *handler;
	struct handler_task task;
	bool late; /* when it is cancelled: since its time is over */
	/* The kind's own: */
	void *state;
	struct handler_run *prev, *next; /* fits utlist's DL_ macros */
	/* The node's own: */
	void (*on_done)(struct handler_run *run, struct handler_result *r);
};

/* Ends the execution; takes r->data. run may be freed when it returns. */
static inline void handler_done(struct handler_run *run, struct handler_result *r)
{
	run->on_done(run, r);
}

/* What a kind gets of a task that names an object (Task-Object), in place of the body. */
enum handler_object {
	OBJECT_AS_BYTES,  /* in body, up to the node's objects.bytes */
	OBJECT_AS_FILE,   /* in file */
	OBJECT_AS_HEADER, /* nothing: it is not fetched, the header says where it is */
};

struct handler_kind {
	const char *name; /* as `kind:` in the file */
	/*
	 * Reads the handler's map of the file (NULL: made without one) and sets h->state. Errors name
	 * the line. With h->ctx->loop NULL it only checks: nothing is started, close is called all the
	 * same.
	 */
	int (*open)(struct handler *h, const struct doc *config, struct err *e);
	void (*start)(struct handler *h, struct handler_run *run);
	void (*cancel)(struct handler *h,
				   struct handler_run *run); /* NULL: its runs are never under way after start */
	/*
	 * Ends what the handler holds (children, timers) and frees h->state. No run is under way,
	 * unless the drain's deadline passed: then those are dropped without handler_done. Calls
	 * handler_closed(h) exactly once, from within or later; h is gone after that. Also called after
	 * a failed open.
	 */
	void (*close)(struct handler *h);
	enum handler_object object;
};

/* What handlers get of the node. */
struct handler_context {
	uv_loop_t *loop;  /* NULL: --check-config */
	struct bus *bus;  /* likewise */
	const char *node; /* its name */
	/*
	 * A handler's hosted agents came, went, or can take more or less than before: its `slots` and
	 * `hosted` are what they are now. Called from anywhere, closing included: to be deferred. Or NULL.
	 */
	void (*on_hosted)(void *data);
	void *data;
};

/* An agent that is placed on this node by name: one process, one task at a time. */
struct handler_agent {
	const char *id;
	const char *project; /* NULL or "": none */
	int64_t heartbeat_ms;
};
struct handler_agent_status {
	const char *id, *state;                                     /* starting, idle, busy, backoff */
	const char *project;                                        /* NULL: none */
	int pid;                                                    /* 0: no process now */
	uint64_t tasks, errors;                                     /* completed; failed, and crashes */
	int64_t started_wall_ns, active_wall_ns, heartbeat_wall_ns; /* 0: not yet */
};
/* What a handler can do whose executions are for hosted agents alone. */
struct handler_hosting {
	/* One of that id is there: it takes on what is new. The process starts at once. */
	void (*host)(struct handler *h, const struct handler_agent *a);
	/* It takes no more tasks, and ends when it has none. Unknown: nothing happens. */
	void (*dismiss)(struct handler *h, const char *id);
	/* The i-th, those that are ending included; false beyond the last. Borrowed for the turn. */
	bool (*status)(const struct handler *h, size_t i, struct handler_agent_status *ret);
};

/* A type and who executes it. The registry makes it; the node reads it. */
struct handler {
	char *type;
	char *version; /* of what executes it; NULL: not told */
	const struct handler_kind *kind;
	const struct handler_context *ctx;
	int64_t timeout_ns; /* for tasks that name none; 0: TASK_TIMEOUT_DEFAULT_NS */
	unsigned slots; /* executions at once at most; 0: as many as the node has. The node keeps it by
					   not asking for more. Of one with hosting: as many as can be begun by its agents, 0 is
					   none; it changes. */
	const struct handler_hosting *hosting; /* NULL: it needs no agents that are placed here */
	unsigned hosted;                       /* such agents; those that are ending not counted */
	void *state;    /* the kind's */
	struct handlers *owner;
};

/* Whether there is anybody to execute its type. h may be NULL. */
static inline bool handler_serves(const struct handler *h)
{
	return h && (!h->hosting || h->hosted > 0);
}

/* A kind says so when its close is complete (registry.c). */
void handler_closed(struct handler *h);

/* ---- the registry of a node's handlers: node/handlers/registry.c ---- */

struct handlers;
#define HANDLERS_MAX 1024 /* of a list; a bridge makes more */

/*
 * list: the file's `handlers:` (a DOC_LIST of maps with type, kind, timeout, slots and the kind's
 * own keys), or NULL for all built-ins; an empty list is no handlers at all. ctx is borrowed until
 * handlers_close. ERR_INVALID names the line: a bad or double type, an unknown kind or key.
 */
MUST_CHECK int handlers_open(const struct doc *list, const struct handler_context *ctx,
							 struct handlers **ret, struct err *e);
/* NULL: not among them. */
struct handler *handlers_find(const struct handlers *hs, const char *type);
size_t handlers_count(const struct handlers *hs);
/* In the file's order; NULL beyond the last. Those made by handlers_bridge are not among them. */
struct handler *handlers_at(const struct handlers *hs, size_t i);
/* For the bridge: the `service` handler of type, made at its first use and kept. type is a checked
 * token. NULL never. */
struct handler *handlers_bridge(struct handlers *hs, const char *type);
/* Closes all and frees *hs, then calls on_closed(data): from within or later. NULL calls it at
 * once. */
void handlers_close(struct handlers **hs, void (*on_closed)(void *data), void *data);
