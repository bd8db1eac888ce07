/*
 * The heartbeat. A put that fails is repeated by the next beat, so nothing
 * is retried here; the first failure of a row is told in the log.
 *
 * Well: put every two seconds and when the last slot is taken (routers place
 * tasks where one is free), recorded every ten, deleted at the end.
 * Badly: the broker is away: beats are skipped, and observers take the node
 * for lost after eight seconds, rightly, since it gets no work either.
 */
#include "node/registry.h"

#include <unistd.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/metrics.h"
#include "node/agents.h"
#include "node/event.h"
#include "node/load.h"
#include "node/spool.h"
#include "proto/event.pb-c.h"

struct registry {
	struct node *node;
	struct load load;
	struct timeout beat, leaving;
	struct metric *slots, *running, *unsettled;
	char host[256];
	int64_t recorded_ms; /* 0: not yet */
	void (*on_left)(struct node *n);
	unsigned farewells; /* not acknowledged yet */
	bool started, gone, failing;
	unsigned told_slots, told_used; /* by the last beat */
};

/* What a status points to while it is packed. */
struct parts {
	Millrace__AgentStatus agents[NODE_AGENTS_TOLD_MAX], *agent_pointers[NODE_AGENTS_TOLD_MAX];
	const char *types[HANDLERS_MAX];
	Millrace__Header labels[NODE_LABELS_MAX], *label_pointers[NODE_LABELS_MAX];
};

static Millrace__NodeState state_of(const struct registry *g)
{
	if (g->gone)
		return MILLRACE__NODE_STATE__NODE_STATE_STOPPED;
	switch (g->node->life) {
	case NODE_READY:
		return MILLRACE__NODE_STATE__NODE_STATE_READY;
	case NODE_DRAINING:
	case NODE_STOPPING:
		return MILLRACE__NODE_STATE__NODE_STATE_DRAINING;
	}
	return MILLRACE__NODE_STATE__NODE_STATE_NONE;
}

static void describe_lists(const struct node *n, struct parts *p, Millrace__NodeStatus *s)
{
	const struct node_config *c = n->config;

	s->n_capabilities = c->ncapabilities;
	s->capabilities = (char **)c->capabilities;
	for (size_t i = 0; i < handlers_count(n->handlers) && s->n_types < ARRAY_LEN(p->types); i++) {
		const struct handler *h = handlers_at(n->handlers, i);
		if (handler_serves(h))
			p->types[s->n_types++] = h->type;
	}
	s->types = (char **)p->types;
	s->n_labels = c->nlabels;
	for (size_t i = 0; i < c->nlabels; i++) {
		millrace__header__init(&p->labels[i]);
		p->labels[i].name = (char *)c->labels[i].name;
		p->labels[i].value = (char *)c->labels[i].value;
		p->label_pointers[i] = &p->labels[i];
	}
	s->labels = p->label_pointers;
}

static void describe_agents(const struct node *n, struct parts *p, Millrace__NodeStatus *s)
{
	struct handler_agent_status a;

	s->agents = p->agent_pointers;
	for (size_t i = 0; i < handlers_count(n->handlers); i++) {
		const struct handler *h = handlers_at(n->handlers, i);
		for (size_t k = 0; h->hosting && h->hosting->status(h, k, &a); k++) {
			if (s->n_agents == ARRAY_LEN(p->agents))
				return;
			Millrace__AgentStatus *to = &p->agents[s->n_agents];
			millrace__agent_status__init(to);
			to->agent_id = (char *)a.id;
			to->role_type = h->type;
			to->state = (char *)a.state;
			if (a.project)
				to->project_id = (char *)a.project;
			to->pid = (uint32_t)a.pid;
			to->tasks = a.tasks;
			to->errors = a.errors;
			to->started_at = a.started_wall_ns;
			to->last_active_at = a.active_wall_ns;
			to->heartbeat_at = a.heartbeat_wall_ns;
			p->agent_pointers[s->n_agents++] = to;
		}
	}
}

/* A node that does nothing but by hosted agents runs no more at once than they can. */
static unsigned slots_of(const struct node *n)
{
	unsigned by_agents = 0;

	for (size_t i = 0; i < handlers_count(n->handlers); i++) {
		const struct handler *h = handlers_at(n->handlers, i);
		if (!h->hosting)
			return n->slots.total;
		by_agents += h->slots;
	}
	return handlers_count(n->handlers) ? MIN_OF(by_agents, n->slots.total) : n->slots.total;
}

static void describe(struct registry *g, struct parts *p, Millrace__NodeStatus *s)
{
	const struct node *n = g->node;

	load_look(&g->load, spool_base(g->node->spool));
	millrace__node_status__init(s);
	s->name = (char *)n->config->name;
	s->instance = (char *)n->instance;
	s->pool = (char *)n->config->pool;
	s->state = state_of(g);
	s->slots = slots_of(n);
	s->used = n->slots.running;
	if (n->config->model)
		s->model = n->config->model;
	s->host = g->host;
	s->pid = (uint32_t)getpid();
	s->version = MILLRACE_VERSION;
	s->cpu_percent = g->load.cpu_percent;
	s->memory_percent = g->load.memory_percent;
	s->rss_bytes = g->load.rss_bytes;
	s->disk_percent = g->load.disk_percent;
	s->completed = n->counts.completed;
	s->failed = n->counts.failed;
	s->busy_ms = (uint64_t)(n->counts.busy_ns / NS_PER_MS);
	s->started_at = n->started_wall_ns;
	s->heartbeat_at = clock_wall_ns();
	s->weight = (uint32_t)n->config->weight;
	s->bridge = n->config->bridge;
	s->direct = n->direct;
	s->agents_max = agents_wanted(n) ? (uint32_t)n->config->agents_max : 0;
	s->scaled = n->config->scaled;
	describe_lists(n, p, s);
	describe_agents(n, p, s);
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct registry *g = data;

	(void)revision;
	if (e && !g->failing)
		log_warn("heartbeat not stored; again in 2 s", LOG_S("error", e->text));
	else if (!e && g->failing)
		log_info("heartbeat stored again");
	g->failing = e != NULL;
}

static void put(struct registry *g, const Millrace__NodeStatus *s)
{
	CLEANUP(buf_release) struct buf b = {0};
	struct err e;

	codec_to_json_text(&s->base, CODEC_ALL, &b);
	if (kv_put(g->node->bus, "nodes", g->node->config->name, b.data, b.len, KV_ANY_REVISION, on_put,
			   g, &e))
		on_put(g, 0, &e);
}

static void record(struct registry *g, const Millrace__NodeStatus *s, js_on_puback on_puback)
{
	CLEANUP(buf_release) struct buf b = {0};
	char id[EVENT_ID_MAX];
	struct err e;

	codec_pack(&s->base, &b);
	event_id(g->node, id);
	if (event_publish(g->node, "events.node", id, b.data, b.len, REGISTRY_LEAVE_MS, on_puback, g,
					  &e))
		log_debug("node's record not sent", LOG_S("error", e.text));
	else if (on_puback)
		g->farewells++;
}

static void beat(struct registry *g)
{
	Millrace__NodeStatus s;
	struct parts p;
	int64_t now_ms = clock_mono_ms();

	metric_set(g->slots, g->node->slots.total);
	metric_set(g->running, g->node->slots.running);
	metric_set(g->unsettled, g->node->slots.unsettled);
	if (g->gone || !bus_is_up(g->node->bus))
		return;
	describe(g, &p, &s);
	put(g, &s);
	g->told_slots = s.slots;
	g->told_used = s.used;
	if (!g->recorded_ms || now_ms - g->recorded_ms >= REGISTRY_RECORD_MS) {
		record(g, &s, NULL);
		g->recorded_ms = now_ms;
	}
}

static void on_beat(struct timeout *t)
{
	struct registry *g = container_of(t, struct registry, beat);

	timeout_start(t, REGISTRY_BEAT_MS, on_beat);
	beat(g);
}

void registry_start(struct registry *g)
{
	if (g->started)
		return;
	g->started = true;
	timeout_start(&g->beat, REGISTRY_BEAT_MS, on_beat);
	beat(g);
}

void registry_changed(struct registry *g)
{
	if (g->started)
		beat(g);
}

void registry_began(struct registry *g)
{
	/* At most once between two beats: from then on it is told as full. */
	if (g->started && g->told_used < g->told_slots && g->node->slots.running >= g->told_slots)
		beat(g);
}

/* ---- farewell ---- */

static void left(struct registry *g)
{
	void (*on_left)(struct node * n) = TAKE(g->on_left);

	timeout_stop(&g->leaving);
	if (on_left)
		on_left(g->node);
}

static void on_left_timeout(struct timeout *t)
{
	left(container_of(t, struct registry, leaving));
}

static void farewell_heard(struct registry *g, const struct err *e)
{
	if (e)
		log_warn("farewell not stored", LOG_S("error", e->text));
	if (g->farewells)
		g->farewells--;
	if (!g->farewells)
		left(g);
}

static void on_recorded(void *data, const struct js_puback *ack, const struct err *e)
{
	(void)ack;
	farewell_heard(data, e);
}

static void on_deleted(void *data, uint64_t revision, const struct err *e)
{
	(void)revision;
	farewell_heard(data, e);
}

void registry_leave(struct registry *g, void (*on_left)(struct node *n))
{
	Millrace__NodeStatus s;
	struct parts p;
	struct err e;

	timeout_stop(&g->beat);
	g->gone = true;
	g->on_left = on_left;
	timeout_start(&g->leaving, g->started ? REGISTRY_LEAVE_MS : 0, on_left_timeout);
	if (!g->started || !bus_is_up(g->node->bus))
		return;
	describe(g, &p, &s);
	record(g, &s, on_recorded);
	if (kv_delete(g->node->bus, "nodes", g->node->config->name, on_deleted, g, &e))
		log_warn("key not deleted; it expires by itself", LOG_S("error", e.text));
	else
		g->farewells++;
}

/* ---- life ---- */

struct registry *registry_open(struct node *n)
{
	struct registry *g = xcalloc(1, sizeof(*g));

	g->node = n;
	if (gethostname(g->host, sizeof(g->host) - 1))
		g->host[0] = '\0';
	timeout_init(&g->beat, bus_timeouts(n->bus));
	timeout_init(&g->leaving, bus_timeouts(n->bus));
	g->slots = metric_gauge("millrace_node_slots", "Tasks this node runs at once.", NULL);
	g->running = metric_gauge("millrace_node_slots_used", "Tasks running now.", NULL);
	g->unsettled =
		metric_gauge("millrace_node_outcomes_waiting", "Outcomes not acknowledged yet.", NULL);
	load_look(&g->load, spool_base(n->spool));
	return g;
}

void registry_close(struct registry **gp)
{
	struct registry *g = TAKE(*gp);

	if (!g)
		return;
	timeout_stop(&g->beat);
	timeout_stop(&g->leaving);
	free(g);
}
