/*
 * The choice. It stands apart from the strategies (balance.h), which know
 * nothing of tasks, and from the queues (direct.h), which know nothing of
 * choices. In order: a node that the task needs; one that it prefers; the
 * strategy; its project's node; for a retry, a free one that did not fail it;
 * anybody but those that it excludes; else its lane, for whoever pulls.
 * Whoever is chosen was live a moment ago.
 *
 * Well: a node is found and direct.h has the task. Where all are above the
 * maximum load the task goes to its lane, and the first that is free takes it:
 * nothing queues behind a busy node while another idles. Where a node is
 * needed and not there, the task waits in DELAYED, tried again with a reason
 * that its row tells, and is dead after direct.wait.
 */
#include "router/place.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "router/balance_rules.h"
#include "router/dead.h"
#include "router/delay.h"
#include "router/direct.h"
#include "router/directory.h"
#include "router/dispatch.h"
#include "router/lanes.h"
#include "router/same_node.h"

#define FRESH_MS 100                /* a lane's nodes are looked at anew */
#define WAIT_MAX_NS (10 * NS_PER_S) /* between two tries of a task that needs a node */

struct lane_nodes {
	struct balance_node *nodes; /* sorted by name; shut: it takes nothing by DIRECT */
	struct direct_node **queues;
	size_t n, cap;
	int64_t looked_mono_ms;
	uint64_t roster_generation, direct_generation;
	uint64_t turn;
};

struct place {
	struct router *router;
	uint32_t turn_base; /* routers don't all begin with the same node */
};

/* ---- a lane's nodes ---- */

void lane_nodes_free(struct lane_nodes **pns)
{
	struct lane_nodes *ns = TAKE(*pns);

	if (!ns)
		return;
	free(ns->nodes);
	free(ns->queues);
	free(ns);
}

struct looking {
	struct router *router;
	struct lane_nodes *ns;
};

static void add(void *data, const struct node_entry *entry)
{
	struct looking *l = data;
	struct lane_nodes *ns = l->ns;
	const Millrace__NodeStatus *s = entry->status;

	if (ns->n == ns->cap) {
		ns->cap = ns->cap ? ns->cap * 2 : 16;
		ns->nodes = xreallocarray(ns->nodes, ns->cap, sizeof(*ns->nodes));
	}
	ns->nodes[ns->n++] = (struct balance_node){
		.name = direct_node_of(l->router->direct, entry->name)->name,
		.slots = s->slots,
		.used = s->used,
		.weight = s->weight,
		.capabilities = (unsigned)s->n_capabilities,
		.cpu = s->cpu_percent / 100,
		.memory = s->memory_percent / 100,
		.shut = !s->direct,
	};
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct balance_node *)a)->name, ((const struct balance_node *)b)->name);
}

static struct lane_nodes *nodes_of(struct router *r, struct lane_entry *l)
{
	struct lane_nodes *ns = l->nodes;
	int64_t now_ms = clock_mono_ms();

	if (!ns) {
		ns = l->nodes = xcalloc(1, sizeof(*ns));
		ns->turn = r->place->turn_base;
	}
	if (ns->looked_mono_ms && now_ms - ns->looked_mono_ms < FRESH_MS &&
		ns->roster_generation == roster_generation(r->roster) &&
		ns->direct_generation == direct_generation(r->direct))
		return ns;
	ns->n = 0;
	directory_each_serving(r, &l->lane, add, &(struct looking){r, ns});
	if (ns->n > 1)
		qsort(ns->nodes, ns->n, sizeof(*ns->nodes), by_name);
	balance_level(ns->nodes, ns->n, (double)r->config.balance_max_load / 100);
	ns->queues = xreallocarray(ns->queues, ns->cap ? ns->cap : 1, sizeof(struct direct_node *));
	for (size_t i = 0; i < ns->n; i++)
		ns->queues[i] = direct_node_of(r->direct, ns->nodes[i].name);
	ns->looked_mono_ms = now_ms;
	ns->roster_generation = roster_generation(r->roster);
	ns->direct_generation = direct_generation(r->direct);
	return ns;
}

/* What a lane's nodes are to one task. */
struct view {
	bool excludes; /* one that it may not run on pulls the lane */
	bool pullers;  /* so does one that it may run on, and that takes nothing by DIRECT */
	bool others;   /* there is one that it need not avoid */
};

static struct view mark(struct lane_nodes *ns, const struct submission *s)
{
	struct view v = {0};

	for (size_t i = 0; i < ns->n; i++) {
		struct balance_node *n = &ns->nodes[i];
		n->ahead = direct_ahead(ns->queues[i]);
		n->excluded = names_have(s->not_nodes, n->name);
		n->avoided = names_have(s->avoid, n->name);
		v.excludes |= n->excluded;
		v.pullers |= !n->excluded && n->shut;
		v.others |= !n->excluded && !n->avoided;
		n->excluded |= n->shut;
	}
	return v;
}

static size_t node_named(const struct lane_nodes *ns, const char *name)
{
	for (size_t i = 0; i < ns->n; i++) {
		if (str_eq(ns->nodes[i].name, name))
			return i;
	}
	return BALANCE_NOBODY;
}

/* ---- what can come of it ---- */

/* Tried again soon; dead once it waited for direct.wait. */
static PRINTF_LIKE(2, 3) void wait_for_node(struct transit *t, const char *fmt, ...)
{
	struct submission *s = &t->sub;
	int64_t now_ns = clock_wall_ns(), last_ns, due_ns;
	char words[400], limit[32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	if (!s->waits_since_wall_ns)
		s->waits_since_wall_ns = now_ns;
	last_ns = s->waits_since_wall_ns + t->router->config.direct_wait_ns;
	if (now_ns >= last_ns) {
		duration_format(t->router->config.direct_wait_ns, limit);
		dead_bury(t, "no-node", "%s; it waited for %s", words, limit);
		return;
	}
	int64_t wait_ns = policy_deferral_ns(s->deferrals, policy_seed(s->id, s->deferrals));
	due_ns = now_ns + MIN_OF(wait_ns, WAIT_MAX_NS);
	due_ns = MIN_OF(due_ns, last_ns);
	if (s->expires_wall_ns)
		due_ns = MIN_OF(due_ns, MAX_OF(s->expires_wall_ns, now_ns + NS_PER_MS));
	s->deferrals++;
	t->node[0] = '\0';
	t->waits_for = "no-node";
	free(t->error);
	t->error = xstrdup(words);
	delay_put(t, due_ns);
}

static void give(struct transit *t, struct direct_node *n)
{
	t->sub.waits_since_wall_ns = 0;
	direct_put(t, n);
}

static void pull(struct transit *t)
{
	t->node[0] = '\0';
	t->sub.waits_since_wall_ns = 0;
	dispatch_pull(t);
}

static const char *state_of(const struct router *r, const char *name)
{
	const struct node_entry *entry = roster_find(r->roster, name);

	return entry ? node_state(entry, clock_mono_ms()) : "not there";
}

/* That one and no other. */
static void need(struct transit *t, const char *name)
{
	struct router *r = t->router;
	struct lane_nodes *ns = nodes_of(r, t->lane);
	size_t i = node_named(ns, name);
	const char *state = state_of(r, name);

	if (names_have(t->sub.not_nodes, name))
		dead_bury(t, "invalid", "it needs node %s and excludes it (Task-Not-Nodes)", name);
	else if (i != BALANCE_NOBODY && !ns->nodes[i].shut)
		give(t, ns->queues[i]);
	else if (i != BALANCE_NOBODY)
		wait_for_node(t, "waits for node %s, which is there but takes nothing by DIRECT", name);
	else if (str_eq(state, "ready"))
		wait_for_node(t, "waits for node %s, which is there but does not serve lane %s", name,
					  t->lane->lane.name);
	else
		wait_for_node(t, "waits for node %s, which is %s", name, state);
}

/* A pause or limits hold, which nodes mind where they pull. */
static bool minded(const struct lane_entry *l)
{
	return lane_setting_metered(&l->set) || lane_setting_closed(&l->set, clock_wall_ns());
}

/* It failed before: rather elsewhere, where somebody is free. */
static bool moves(const struct submission *s)
{
	return s->avoid && s->balance != BALANCE_PULL;
}

/* By strategy, project, who failed it, exclusions; preferred: NULL-able, a node. */
static void choose(struct transit *t, const char *preferred)
{
	struct router *r = t->router;
	struct submission *s = &t->sub;
	struct lane_nodes *ns = nodes_of(r, t->lane);
	const char *project =
		r->config.balance_projects && s->balance != BALANCE_PULL ? s->project : NULL;
	struct balance_ask ask = {
		.strategy = s->balance ? s->balance : t->lane->balance,
		.max_load = (double)r->config.balance_max_load / 100,
		.seed = policy_seed(s->id, s->attempt + s->epoch),
	};
	size_t i = preferred ? node_named(ns, preferred) : BALANCE_NOBODY;
	struct view v = mark(ns, s);

	if (!v.others) /* they are gone: nobody has to hand it back */
		s->avoid = NULL;
	if (i != BALANCE_NOBODY && !balance_takes(&ns->nodes[i], ask.max_load))
		i = BALANCE_NOBODY;
	if (i == BALANCE_NOBODY && ask.strategy > BALANCE_PULL) {
		ask.turn = ns->turn++;
		i = balance_pick(&ask, ns->nodes, ns->n);
	}
	if (i == BALANCE_NOBODY && project) {
		i = balance_project(project, ns->nodes, ns->n);
		if (i != BALANCE_NOBODY &&
			((s->avoid && ns->nodes[i].avoided) || !balance_idle(&ns->nodes[i], ask.max_load)))
			i = BALANCE_NOBODY;
	}
	if (i == BALANCE_NOBODY && moves(s) && !minded(t->lane))
		i = balance_other(ns->nodes, ns->n, ask.seed);
	if (i == BALANCE_NOBODY && v.excludes)
		i = balance_least(ns->nodes, ns->n, ask.seed);
	if (i != BALANCE_NOBODY)
		give(t, ns->queues[i]);
	else if (v.excludes && !v.pullers)
		wait_for_node(t, "waits for a node that serves lane %s and is none of %.200s",
					  t->lane->lane.name, s->not_nodes);
	else
		pull(t);
}

/* ---- the task's words ---- */

static void on_same_node(struct transit *t, enum same_node_answer answer, const char *node)
{
	struct wish wish;
	struct err e;

	if (wish_task(t->sub.same_node_as, &wish, &e)) { /* was checked when it was decoded */
		dead_bury(t, "invalid", "%s", e.text);
		return;
	}
	if (wish.soft) {
		choose(t, answer == SAME_NODE_FOUND ? node : NULL);
		return;
	}
	switch (answer) {
	case SAME_NODE_FOUND:
		need(t, node);
		return;
	case SAME_NODE_NOT_YET:
		wait_for_node(t, "waits for the node of task %s, which has none yet", wish.name);
		return;
	case SAME_NODE_NEVER:
		dead_bury(t, "no-node", "it needs the node of task %s, which ended without one", wish.name);
		return;
	case SAME_NODE_UNKNOWN:
		wait_for_node(t, "waits for the node of task %s, which is not known", wish.name);
		return;
	case SAME_NODE_SILENT:
		wait_for_node(t, "waits for the node of task %s; no store tells which that is", wish.name);
		return;
	}
}

bool place_wanted(const struct transit *t)
{
	const struct submission *s = &t->sub;
	bool bound = wish_hard(s->node) || wish_hard(s->same_node_as) || s->not_nodes;

	if (!s->node && !s->same_node_as && !s->not_nodes && !moves(s) && s->balance <= BALANCE_PULL &&
		(s->balance || t->lane->balance <= BALANCE_PULL) &&
		(!s->project || s->balance == BALANCE_PULL || !t->router->config.balance_projects))
		return false;
	/* A pause and limits are minded where nodes pull their lane: who needs no certain node stays on it. */
	return bound || !minded(t->lane);
}

void place_task(struct transit *t)
{
	const struct submission *s = &t->sub;
	struct wish wish;
	struct err e;

	if (s->same_node_as && !s->node) {
		if (wish_task(s->same_node_as, &wish, &e))
			dead_bury(t, "invalid", "%s", e.text);
		else
			same_node_ask(t, wish.name, on_same_node);
		return;
	}
	if (!s->node) {
		choose(t, NULL);
		return;
	}
	if (wish_node(s->node, &wish, &e))
		dead_bury(t, "invalid", "%s", e.text);
	else if (wish.soft)
		choose(t, wish.name);
	else
		need(t, wish.name);
}

static bool may_pull(const struct submission *s)
{
	return !s->not_nodes && !wish_hard(s->node ? s->node : s->same_node_as);
}

void place_refused(struct transit *t, const struct err *e)
{
	char node[TOKEN_MAX + 1];

	if (e->code == ERR_INVALID || e->code == ERR_TOO_LARGE) {
		dead_bury(t, "invalid", "it can't be put on DIRECT: %s", e->text);
		return;
	}
	if (may_pull(&t->sub)) {
		pull(t);
		return;
	}
	memcpy(node, t->node, sizeof(node));
	wait_for_node(t, "waits for room on the queue of node %s: %.200s", node, e->text);
}

struct place *place_new(struct router *r)
{
	struct place *p = xcalloc(1, sizeof(*p));

	p->router = r;
	p->turn_base = policy_seed(r->instance, 0);
	return p;
}

void place_free(struct place **pp)
{
	free(TAKE(*pp));
}
