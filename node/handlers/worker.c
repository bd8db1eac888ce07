/*
 * Kind `worker`: tasks for long-lived agent processes.
 *
 *	- type: summarize
 *	  kind: worker
 *	  command: [python3, worker_agent.py]
 *	  processes: 4       # at most; started as they are needed
 *	  agents: 10         # tasks at once in each
 *	  idle: 5m           # a process without work ends; 0: never
 *
 * Or, with
 *
 *	  spawned: true      # its processes are placed by name (spawned.c)
 *
 * This file hands out the tasks: to the process that suits them best
 * (agent_choice.c) and has the least to do, a new
 * one when all are full, else the task waits here (the node asks for no more
 * than processes × agents at once). agent.c is one process: frames, crashes,
 * restarts. It goes wrong only there.
 */
#include "node/handlers/worker.h"

#include <strings.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/task.h"
#include "node/handlers/agent_choice.h"
#include "node/handlers/kinds.h"
#include "common/section.h"

static const struct config_key keys[] = {
	{"processes", CONFIG_INT, offsetof(struct worker, processes), "1", "at most", NULL, 1, 256},
	{"agents", CONFIG_INT, offsetof(struct worker, agents_each), "10",
	 "tasks at once in each process", NULL, 1, 1000},
	{"idle", CONFIG_DURATION, offsetof(struct worker, idle_ns), "5m",
	 "until a process without work ends"},
	{"backoff_min", CONFIG_DURATION, offsetof(struct worker, backoff_min_ns), "200ms",
	 "until the first restart", NULL, NS_PER_MS, 3600 * NS_PER_S},
	{"backoff_max", CONFIG_DURATION, offsetof(struct worker, backoff_max_ns), "30s",
	 "between restarts at most", NULL, NS_PER_MS, 3600 * NS_PER_S},
	{"spawned", CONFIG_BOOL, offsetof(struct worker, spawned), "false",
	 "its processes are the agents of its type that are placed on this node, one task at a time "
	 "each"},
	{"content_type", CONFIG_STRING, offsetof(struct worker, content_type), NULL,
	 "of results that name none"},
	{0},
};

void assignment_finish(struct assignment *s, struct handler_result *r)
{
	struct handler_run *run = s->run;
	free(s);
	if (run) {
		handler_done(run, r);
	} else {
		free(r->data);
	}
}

static const char *project_of(const struct assignment *s)
{
	const struct handler_task *t = &s->run->task;
	for (size_t i = 0; i < t->nheaders; i++) {
		if (strcasecmp(t->headers[i].name, H_TASK_PROJECT) == 0)
			return t->headers[i].value;
	}
	return NULL;
}

static struct agent_offer offer_of(const struct agent *a)
{
	return (struct agent_offer){
		.project = a->project, .count = a->count, .active_wall_ns = a->active_wall_ns};
}

/* The one that suits s best; where all are full one that can be started; else NULL. */
static struct agent *choose(const struct worker *w, const struct assignment *s)
{
	const char *project = w->spawned ? project_of(s) : NULL;
	struct agent *best = NULL, *down = NULL, *a = NULL;
	DL_FOREACH (w->agents, a) {
		struct agent_offer offer = offer_of(a), least = best ? offer_of(best) : offer;
		if (agent_has_room(a) && (best == NULL || agent_choice_better(&offer, &least, project)))
			best = a;
		if (a->state == AGENT_DOWN && down == NULL && !w->spawned)
			down = a;
	}
	return best ? best : down;
}

static void free_worker(struct worker *w)
{
	struct handler *h = w->handler;
	program_release(&w->program);
	section_release(keys, w);
	free(w);
	h->state = NULL;
	handler_closed(h);
}

void worker_agent_closed(struct agent *a)
{
	struct worker *w = a->worker;
	free(a->id);
	free(a->project);
	free(a);
	w->nagents--;
	if (w->closing && w->nagents == 0)
		free_worker(w);
}

static void close_when_gone(struct worker *w)
{
	struct agent *a = NULL, *next = NULL;
	DL_FOREACH (w->agents, a) {
		if (!agent_is_gone(a))
			return;
	}
	DL_FOREACH_SAFE (w->agents, a, next) {
		agent_discard(a);
	}
}

void worker_turn(struct worker *w)
{
	if (w->closing) {
		close_when_gone(w);
		return;
	}
	if (w->assigning)
		return; /* a task that ended in here brought the next one: the loop below sees it */
	w->assigning = true;
	while (w->waiting) {
		struct agent *a = choose(w, w->waiting);
		if (a && a->state == AGENT_DOWN)
			agent_start(a);
		if (a == NULL || a->state != AGENT_UP) {
			if (a == NULL)
				break;
			continue; /* it could not be started and waits: perhaps another can */
		}
		struct assignment *s = w->waiting;
		DL_DELETE(w->waiting, s);
		agent_assign(a, s);
	}
	w->assigning = false;
}

void worker_fail_waiting(struct worker *w, const char *error, bool permanent)
{
	struct assignment *list = TAKE(w->waiting);
	while (list) {
		struct assignment *s = list;
		DL_DELETE(list, s);
		struct handler_result r = {.outcome = RESULT_FAILED, .error = error, .permanent = permanent};
		assignment_finish(s, &r);
	}
}

void worker_return_waiting(struct worker *w, const char *error)
{
	struct assignment *list = TAKE(w->waiting);
	while (list) {
		struct assignment *s = list;
		DL_DELETE(list, s);
		struct handler_result r = {
			.outcome = RESULT_RETURNED, .error = error, .reason = "no-handler"};
		assignment_finish(s, &r);
	}
}

static void start(struct handler *h, struct handler_run *run)
{
	struct worker *w = h->state;
	if (!handler_serves(h)) {
		struct handler_result r = {.outcome = RESULT_RETURNED,
								   .error = "no agent of its role is on this node",
								   .reason = "no-handler"};
		handler_done(run, &r);
		return;
	}
	struct assignment *s = xcalloc(1, sizeof *s);
	s->run = run;
	s->number = ++w->last_number;
	run->state = s;
	DL_APPEND(w->waiting, s);
	worker_turn(w);
}

static void cancel(struct handler *h, struct handler_run *run)
{
	struct worker *w = h->state;
	struct assignment *s = run->state;
	if (s->agent) {
		agent_cancel(s->agent, s);
		return;
	}
	DL_DELETE(w->waiting, s);
	struct handler_result r = {
		.outcome = RESULT_FAILED, .error = "no agent process was free in time", .reason = "timeout"};
	assignment_finish(s, &r);
}

/* What would say how many processes there are, where that is not the file's to say. */
static int check_spawned(const struct doc *config, struct err *e)
{
	static const char *const others[] = {"processes", "agents", "idle"};
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		const struct doc *d = doc_get(config, others[i]);
		if (d)
			return err_set(
				e, ERR_INVALID,
				"line %u: %s does not go with spawned: its processes are the agents that are "
				"placed on this node, one task at a time each; leave it out",
				d->line, others[i]);
	}
	return 0;
}

static int open_worker(struct handler *h, const struct doc *config, struct err *e)
{
	struct worker *w = xcalloc(1, sizeof *w);
	w->handler = h;
	h->state = w;
	int rc = section_read(config, keys, SECTION_COMMON_KEYS "," PROGRAM_KEYS, w, e);
	if (rc < 0)
		return rc;
	rc = w->spawned ? check_spawned(config, e) : 0;
	if (rc < 0)
		return rc;
	rc = program_read(config, &w->program, e);
	if (rc < 0)
		return rc;
	w->slots_max = h->slots;
	if (w->spawned) {
		w->agents_each = 1;
		w->idle_ns = 0;
		h->slots = 0;
		h->hosting = &worker_hosting;
		return 0;
	}
	if (h->ctx->loop == NULL)
		return 0;
	unsigned capacity = (unsigned)(w->processes * w->agents_each);
	h->slots = h->slots ? MIN_OF(h->slots, capacity) : capacity;
	for (int64_t i = 0; i < w->processes; i++) {
		(void)agent_new(w);
	}
	return 0;
}

static void close_worker(struct handler *h)
{
	struct worker *w = h->state;
	struct assignment *s = NULL, *next = NULL;
	struct agent *a = NULL;
	w->closing = true;
	DL_FOREACH_SAFE(w->waiting, s, next) {
		free(s);
	}
	w->waiting = NULL;
	if (w->nagents == 0) { /* its opening failed, or was only a check, or nobody is placed here */
		free_worker(w);
		return;
	}
	DL_FOREACH (w->agents, a) {
		bool busy = a->assigned != NULL;
		DL_FOREACH(a->assigned, s) {
			s->run = NULL;
		}
		agent_end(a, busy);
	}
	close_when_gone(w);
}

const struct handler_kind kind_worker = {"worker", open_worker, start, cancel, close_worker, OBJECT_AS_FILE};
