/*
 * Agents that are placed on this node by name: `spawned: true` of a worker
 * handler. It stands between the node, which knows who is to be here
 * (node/agents.h), and the processes (agent.c).
 *
 * It goes well: an agent is hosted, its process starts at once, it takes one
 * task at a time; dismissed, it finishes what it has, its stdin ends, it ends
 * and is forgotten. It fails: its process dies: it is counted as an error and
 * started again after a growing pause, in which the handler takes so much
 * less; the last one goes while a task waits for it: the task goes back unspent.
 */
#include <utlist.h>

#include "common/clock.h"
#include "node/handlers/worker.h"

static struct agent *find(const struct worker *w, const char *id)
{
	struct agent *a = NULL;
	DL_FOREACH (w->agents, a) {
		if (str_eq(a->id, id))
			return a;
	}
	return NULL;
}

void spawned_recount(struct worker *w)
{
	struct handler *h = w->handler;
	unsigned hosted = 0, slots = 0;
	struct agent *a = NULL;
	if (w->closing)
		return;
	DL_FOREACH (w->agents, a) {
		hosted += !a->dismissed;
		/* What one that retires still does is of what may run, too. */
		slots += a->count > 0 ||
				 (a->state == AGENT_UP && !a->retire && !a->hung && a->protocol.code == 0);
	}
	if (w->slots_max > 0)
		slots = MIN_OF(slots, w->slots_max);
	if (hosted == h->hosted && slots == h->slots)
		return;
	h->hosted = hosted;
	h->slots = slots;
	if (hosted == 0)
		worker_return_waiting(w, "the last agent of its role left this node");
	if (h->ctx->on_hosted)
		h->ctx->on_hosted(h->ctx->data);
}

static void set_project(struct agent *a, const char *project)
{
	free(a->project);
	a->project = project && *project ? xstrdup(project) : NULL;
}

static bool same_project(const struct agent *a, const char *project)
{
	return str_eq(a->project ? a->project : "", project ? project : "");
}

static void update(struct agent *a, const struct handler_agent *spec)
{
	bool renew =
		!same_project(a, spec->project); /* its process has the old one in its environment */
	if (a->dismissed) {
		a->dismissed = false;
		a->retire = false;
	}
	if (a->heartbeat_ms != spec->heartbeat_ms) {
		a->heartbeat_ms = spec->heartbeat_ms;
		if (a->answers_pings)
			agent_beat_start(a);
	}
	if (!renew)
		return;
	set_project(a, spec->project);
	a->retire = a->child != NULL;
	(void)agent_retires(a);
}

static void host(struct handler *h, const struct handler_agent *spec)
{
	struct worker *w = h->state;
	struct agent *a = find(w, spec->id);
	if (w->closing)
		return;
	if (a) {
		update(a, spec);
	} else {
		a = agent_new(w);
		a->id = xstrdup(spec->id);
		set_project(a, spec->project);
		a->heartbeat_ms = spec->heartbeat_ms;
		a->active_wall_ns = clock_wall_ns();
		agent_start(a);
	}
	spawned_recount(w);
	worker_turn(w);
}

static void dismiss(struct handler *h, const char *id)
{
	struct worker *w = h->state;
	struct agent *a = find(w, id);
	if (a == NULL || w->closing)
		return;
	a->dismissed = a->retire = true;
	if (agent_is_gone(a)) {
		agent_discard(a);
	} else {
		(void)agent_retires(a);
	}
	spawned_recount(w);
	worker_turn(w);
}

static const char *state_word(const struct agent *a)
{
	if (a->count > 0)
		return "busy";
	switch (a->state) {
	case AGENT_DOWN:
		return "starting";
	case AGENT_UP:
		return child_pid(a->child) ? "idle" : "starting";
	case AGENT_ENDING:
		return a->dismissed ? "idle" : "starting";
	case AGENT_BACKOFF:
		return "backoff";
	}
	return "";
}

static bool status(const struct handler *h, size_t i, struct handler_agent_status *ret)
{
	const struct worker *w = h->state;
	const struct agent *a = w->agents;
	while (a && i > 0) {
		a = a->next;
		i--;
	}
	if (a == NULL)
		return false;
	*ret = (struct handler_agent_status){
		.id = a->id,
		.state = state_word(a),
		.project = a->project,
		.pid = a->child ? child_pid(a->child) : 0,
		.tasks = a->tasks,
		.errors = a->errors,
		.started_wall_ns = a->started_wall_ns,
		.active_wall_ns = a->active_wall_ns,
		/* Of one that says nothing by itself, that it is there is all there is. */
		.heartbeat_wall_ns =
			a->state == AGENT_UP && !a->answers_pings ? clock_wall_ns() : a->heard_wall_ns,
	};
	return true;
}

const struct handler_hosting worker_hosting = {host, dismiss, status};
