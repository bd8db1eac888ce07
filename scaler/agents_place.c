/*
 * Where agents go, and when they end. It stands alone as the tick of a pool of
 * agents. Well: each has a node that is there. Badly: a node that is gone for
 * NODE_GONE_MS loses its agents to others (one that comes back under its name
 * keeps them); where nothing has room and nothing more may be started, an agent
 * waits without a node, and every tick looks again.
 */
#include "scaler/agents_internal.h"

#include <stdio.h>

#include "common/clock.h"
#include "scaler/lead.h"
#include "scaler/placement.h"
#include "scaler/steer.h"

#define NODE_GONE_MS 10000

struct search {
	struct agents *agents;
	const struct pool *pool;
	struct placement_node *nodes;
	size_t n, cap;
	const char *project;
};

static void consider(struct search *f, const char *name, unsigned max, double cpu, double memory)
{
	struct placement_node *n;

	if (f->n == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 32;
		f->nodes = xreallocarray(f->nodes, f->cap, sizeof(*f->nodes));
	}
	n = &f->nodes[f->n++];
	*n = (struct placement_node){.name = name, .agents_max = max, .cpu_percent = cpu,
								 .memory_percent = memory, .takes = true};
	for (const struct agent *x = f->agents->all; x; x = x->hh.next) {
		if (x->ending || !str_eq(x->node, name))
			continue;
		n->agents++;
		n->same_project += f->project && *f->project && str_eq(x->project, f->project);
	}
}

static void consider_starting(void *data, const char *node)
{
	struct search *f = data;

	consider(f, node, (unsigned)f->pool->config->agents, 0, 0);
}

static void gather(const struct agents *a, struct search *f)
{
	const struct scaler *s = a->scaler;
	const struct pool *p = f->pool;

	for (const struct node_entry *n = roster_first(s->roster); n; n = n->hh.next) {
		if (str_eq(n->status->pool, p->config->name) && n->status->agents_max &&
			steer_present(s->steer, n->name) && !steer_starting(s->steer, n->name))
			consider(f, n->name, n->status->agents_max, n->status->cpu_percent,
					 n->status->memory_percent);
	}
	steer_each_starting(s->steer, p, consider_starting, f);
}

bool agents_place(struct agents *a, struct pool *p, struct agent *x, struct err *why)
{
	struct search f = {.agents = a, .pool = p, .project = x->project};
	const char *name = NULL;

	gather(a, &f);
	int at = placement_choose(f.nodes, f.n);
	if (at >= 0)
		name = f.nodes[at].name;
	else
		name = steer_start(a->scaler->steer, p, "no process has room for one more agent", why);
	if (name) {
		agents_copy(x->node, name);
		x->placements++;
		x->absent_ms = 0;
	}
	free(f.nodes);
	return name != NULL;
}

/* ---- the tick ---- */

static void watch_node(struct agents *a, struct pool *p, struct agent *x, int64_t now_ms)
{
	struct err e;

	if (*x->node && steer_present(a->scaler->steer, x->node)) {
		x->absent_ms = 0;
		return;
	}
	if (!x->absent_ms)
		x->absent_ms = now_ms;
	if (*x->node && now_ms - x->absent_ms < NODE_GONE_MS)
		return;
	char before[TOKEN_MAX + 1], text[200];
	agents_copy(before, x->node);
	if (!agents_place(a, p, x, &e))
		return;
	if (!agents_put(a, x, &e)) {
		x->node[0] = '\0'; /* nobody was told of its place: again at the next tick */
		return;
	}
	snprintf(text, sizeof(text), *before ? "its node %s is gone" : "it had no node yet%s",
			 *before ? before : "");
	agents_note(a, x, "place", text);
}

/* For how long we heard of no work of it: by our own clock, as its node's may be another, and wall time jumps. */
static void watch_idling(struct agents *a, struct agent *x, int64_t now_ms)
{
	const Millrace__AgentStatus *st = agents_status(a, x);
	char text[120];
	struct err e;

	if (!st || !st->last_active_at || str_eq(st->state, "busy")) {
		x->active_wall_ns = 0;
		return;
	}
	if (st->last_active_at != x->active_wall_ns) {
		x->active_wall_ns = st->last_active_at;
		x->idle_ms = now_ms;
	}
	int64_t idle_ms = now_ms - x->idle_ms;
	if (!x->max_idle_ms || idle_ms < x->max_idle_ms)
		return;
	snprintf(text, sizeof(text), "it had nothing to do for %lld s, and %lld s are its max_idle_time",
			 (long long)(idle_ms / 1000), (long long)(x->max_idle_ms / 1000));
	if (agents_terminate(a, x, "idle", text, NULL, &e))
		return; /* at the next tick */
}

void agents_tick(struct agents *a, struct pool *p)
{
	int64_t now_ms = clock_mono_ms();
	struct agent *x, *tmp;

	if (!p->config->agents || !lead_holds(a->scaler->lead) || !a->told)
		return;
	HASH_ITER (hh, a->all, x, tmp) {
		if (x->under_way || !str_eq(x->pool_name, p->config->name))
			continue;
		watch_node(a, p, x, now_ms);
		if (!x->under_way)
			watch_idling(a, x, now_ms);
	}
}
