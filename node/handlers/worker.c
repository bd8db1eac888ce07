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
 * This file hands out the tasks: to the process with the least to do, a new
 * one when all are full, else the task waits here (the node asks for no more
 * than processes × agents at once). agent.c is one process: frames, crashes,
 * restarts. It goes wrong only there.
 */
#include "node/handlers/worker.h"

#include <inttypes.h>
#include <utlist.h>

#include "common/clock.h"
#include "node/handlers/kinds.h"
#include "common/section.h"

static const struct config_key keys[] = {
	{"processes", CONFIG_INT, offsetof(struct worker, processes), "1", "at most", NULL, 1, 256},
	{"agents", CONFIG_INT, offsetof(struct worker, agents_each), "10", "tasks at once in each process", NULL,
     1, 1000},
	{"idle", CONFIG_DURATION, offsetof(struct worker, idle_ns), "5m", "until a process without work ends"},
	{"backoff_min", CONFIG_DURATION, offsetof(struct worker, backoff_min_ns), "200ms",
     "until the first restart", NULL, NS_PER_MS, 3600 * NS_PER_S},
	{"backoff_max", CONFIG_DURATION, offsetof(struct worker, backoff_max_ns), "30s",
     "between restarts at most", NULL, NS_PER_MS, 3600 * NS_PER_S},
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

/* The one with the least to do; where all are full one that can be started; else NULL. */
static struct agent *choose(struct worker *w)
{
	struct agent *best = NULL, *down = NULL;
	for (int64_t i = 0; i < w->processes; i++) {
		struct agent *a = &w->agents[i];
		if (agent_has_room(a) && (best == NULL || a->count < best->count))
			best = a;
		if (a->state == AGENT_DOWN && down == NULL)
			down = a;
	}
	return best ? best : down;
}

static void free_worker(struct worker *w)
{
	struct handler *h = w->handler;
	program_release(&w->program);
	section_release(keys, w);
	free(w->agents);
	free(w);
	h->state = NULL;
	handler_closed(h);
}

static void on_timer_closed(uv_handle_t *t)
{
	struct agent *a = t->data;
	struct worker *w = a->worker;
	if (--w->open_timers == 0)
		free_worker(w);
}

static void close_when_gone(struct worker *w)
{
	for (int64_t i = 0; i < w->processes; i++) {
		if (!agent_is_gone(&w->agents[i]))
			return;
	}
	for (int64_t i = 0; i < w->processes; i++) {
		uv_handle_t *t = (uv_handle_t *)&w->agents[i].timer;
		if (!uv_is_closing(t))
			uv_close(t, on_timer_closed);
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
		struct agent *a = choose(w);
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

static void start(struct handler *h, struct handler_run *run)
{
	struct worker *w = h->state;
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

static int open_worker(struct handler *h, const struct doc *config, struct err *e)
{
	struct worker *w = xcalloc(1, sizeof *w);
	w->handler = h;
	h->state = w;
	int rc = section_read(config, keys, SECTION_COMMON_KEYS "," PROGRAM_KEYS, w, e);
	if (rc < 0)
		return rc;
	rc = program_read(config, &w->program, e);
	if (rc < 0 || h->ctx->loop == NULL)
		return rc;
	unsigned capacity = (unsigned)(w->processes * w->agents_each);
	h->slots = h->slots ? MIN_OF(h->slots, capacity) : capacity;
	w->agents = xcalloc((size_t)w->processes, sizeof *w->agents);
	for (int64_t i = 0; i < w->processes; i++) {
		agent_init(&w->agents[i], w);
		w->open_timers++;
	}
	return 0;
}

static void close_worker(struct handler *h)
{
	struct worker *w = h->state;
	struct assignment *s = NULL, *next = NULL;
	if (w->agents == NULL) { /* its opening failed, or was only a check */
		free_worker(w);
		return;
	}
	w->closing = true;
	DL_FOREACH_SAFE(w->waiting, s, next) {
		free(s);
	}
	w->waiting = NULL;
	for (int64_t i = 0; i < w->processes; i++) {
		struct agent *a = &w->agents[i];
		bool busy = a->assigned != NULL;
		DL_FOREACH(a->assigned, s) {
			s->run = NULL;
		}
		agent_end(a, busy);
	}
	close_when_gone(w);
}

const struct handler_kind kind_worker = {"worker", open_worker, start, cancel, close_worker, OBJECT_AS_FILE};
