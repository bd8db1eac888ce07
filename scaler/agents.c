/*
 * Who was spawned, and where. It stands alone as the one that writes the
 * bucket. Well: a spawn finds a process with room (scaler/placement.h), or one
 * more is started, and its entry is put with that node's name; the node reads
 * it and starts the agent. Badly: a node that is gone for NODE_GONE_MS loses its
 * agents to others (one that comes back under its name keeps them); a put that
 * lost against somebody else is settled by what the bucket says; without room
 * an entry waits without a node, up to what the pool may ever hold.
 */
#include "scaler/agents.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/request.h"
#include "scaler/journal.h"
#include "scaler/lead.h"
#include "scaler/placement.h"
#include "scaler/steer.h"

#define BUCKET "agents"
#define NODE_GONE_MS 10000
#define SPARE_SHARE 0.3
#define SPARE_AFTER_MS 60000
#define HEARTBEAT_DEFAULT_S 30.0
#define IDLE_DEFAULT_S 300.0

struct agent {
	struct agents *agents;
	char id[TOKEN_MAX + 1];
	char role[TOKEN_MAX + 1], project[TOKEN_MAX + 1];
	char pool_name[TOKEN_MAX + 1], node[TOKEN_MAX + 1];
	int64_t heartbeat_ms, max_idle_ms, spawned_wall_ns;
	uint64_t placements, revision;
	int64_t absent_ms;               /* its node is not there since then; 0: it is */
	bool writing;
	struct service_request *spawning; /* who waits for the put */
	UT_hash_handle hh;
};

struct agents {
	struct scaler *scaler;
	struct kv_watch *watch;
	struct agent *all;
	int64_t spare_ms;                /* a node could be emptied since then; 0: none */
	bool told;
};

/* ---- the table ---- */

static struct agent *find(const struct agents *a, const char *id)
{
	struct agent *x;

	HASH_FIND_STR(a->all, id, x);
	return x;
}

static void drop(struct agent *x)
{
	HASH_DEL(x->agents->all, x);
	free(x);
}

static void copy(char out[TOKEN_MAX + 1], const char *text)
{
	snprintf(out, TOKEN_MAX + 1, "%s", text ? text : "");
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct agents *a = data;
	ProtobufCMessage *m = NULL;
	struct agent *x;
	struct err e;

	if (!entry->key) {
		a->told = true;
		return;
	}
	if (!token_ok(entry->key, strlen(entry->key)))
		return;
	x = find(a, entry->key);
	if (entry->deleted) {
		if (x && !x->spawning)
			drop(x);
		return;
	}
	if (codec_from_json_text(&millrace__agent__descriptor, entry->value, entry->len, CODEC_LENIENT, &m,
							 &e)) {
		log_debug("an agent's entry can't be read, ignored", LOG_S("agent", entry->key),
				  LOG_S("why", e.text));
		return;
	}
	const Millrace__Agent *v = (const Millrace__Agent *)m;
	if (!x && HASH_COUNT(a->all) < AGENTS_MAX) {
		x = xcalloc(1, sizeof(*x));
		x->agents = a;
		copy(x->id, entry->key);
		HASH_ADD_STR(a->all, id, x);
	}
	if (x && entry->revision >= x->revision) {
		copy(x->role, v->role_type);
		copy(x->project, v->project_id);
		copy(x->pool_name, v->pool_name);
		copy(x->node, v->node);
		x->heartbeat_ms = v->heartbeat_interval_ms;
		x->max_idle_ms = v->max_idle_ms;
		x->spawned_wall_ns = v->spawned_at;
		x->placements = v->placements;
		x->revision = entry->revision;
	}
	codec_free(m);
}

static const Millrace__AgentStatus *status_of(const struct agents *a, const struct agent *x)
{
	const struct node_entry *n = *x->node ? roster_find(a->scaler->roster, x->node) : NULL;

	for (size_t i = 0; n && i < n->status->n_agents; i++) {
		if (str_eq(n->status->agents[i]->agent_id, x->id))
			return n->status->agents[i];
	}
	return NULL;
}

static void describe(const struct agents *a, const struct agent *x, Millrace__Agent *out)
{
	millrace__agent__init(out);
	out->agent_id = (char *)(uintptr_t)x->id;
	out->role_type = (char *)(uintptr_t)x->role;
	out->project_id = (char *)(uintptr_t)x->project;
	out->pool_name = (char *)(uintptr_t)x->pool_name;
	out->node = (char *)(uintptr_t)x->node;
	out->heartbeat_interval_ms = x->heartbeat_ms;
	out->max_idle_ms = x->max_idle_ms;
	out->spawned_at = x->spawned_wall_ns;
	out->placements = x->placements;
	/* Only read, to be packed. */
	out->status = (Millrace__AgentStatus *)(uintptr_t)(a ? status_of(a, x) : NULL);
}

unsigned agents_count(const struct agents *a, const struct pool *p)
{
	unsigned n = 0;

	for (const struct agent *x = a->all; x; x = x->hh.next)
		n += str_eq(x->pool_name, p->config->name);
	return n;
}

unsigned agents_on(const struct agents *a, const char *node)
{
	unsigned n = 0;

	for (const struct agent *x = a->all; x; x = x->hh.next)
		n += str_eq(x->node, node);
	return n;
}

unsigned agents_nodes_wanted(const struct agents *a, const struct pool *p)
{
	double each = (double)p->config->agents * p->config->rule.full;
	unsigned wanted = (unsigned)ceil((double)agents_count(a, p) / MAX_OF(each, 1.0));

	return MIN_OF(MAX_OF(wanted, p->config->rule.min), p->config->rule.max);
}

/* ---- writing ---- */

static void note(struct agents *a, const struct agent *x, const char *action, const char *why)
{
	struct scaler *s = a->scaler;

	journal_note(s->journal, lead_epoch(s->lead), action, x->pool_name, x->node, x->id, "%s", why);
}

static void answer(const struct agents *a, const struct agent *x, struct service_request *r)
{
	Millrace__Agent out;

	describe(a, x, &out);
	request_answer(r, &out.base);
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct agent *x = data;
	struct service_request *waiting = TAKE(x->spawning);

	x->writing = false;
	if (!e) {
		x->revision = revision;
		if (waiting)
			answer(x->agents, x, waiting);
		return;
	}
	if (!waiting) {
		log_debug("an agent's entry was not written; the bucket says what holds", LOG_S("agent", x->id),
				  LOG_S("why", e->text));
		return;
	}
	if (e->code == ERR_CONFLICT)
		service_fail(waiting, 409, "agent %s is there already", x->id);
	else
		service_fail(waiting, 503, "agent %s: %s", x->id, e->text);
	if (!x->revision)
		drop(x);
}

static bool put(struct agents *a, struct agent *x, struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	Millrace__Agent out;

	describe(NULL, x, &out);
	codec_to_json_text(&out.base, 0, &text);
	x->writing = kv_put(a->scaler->bus, BUCKET, x->id, text.data, text.len, x->revision, on_put, x, e) == 0;
	return x->writing;
}

static int terminate(struct agents *a, struct agent *x, const char *action, const char *why, struct err *e)
{
	if (kv_delete(a->scaler->bus, BUCKET, x->id, NULL, NULL, e))
		return e->code;
	note(a, x, action, why);
	if (x->writing)
		x->revision = 0; /* its put is under way; the deletion comes behind it, and the watch drops it */
	else
		drop(x);
	return 0;
}

/* ---- placing ---- */

struct search {
	struct agents *agents;
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
		if (!str_eq(x->node, name))
			continue;
		n->agents++;
		n->same_project += f->project && *f->project && str_eq(x->project, f->project);
	}
}

static void consider_starting(void *data, const char *node)
{
	struct search *f = data;
	const struct agents *a = f->agents;

	for (size_t i = 0; i < a->scaler->npools; i++) {
		const struct pool *p = &a->scaler->pools[i];

		/* Its name says whose it is: <pool>-<number>. */
		size_t len = strlen(p->config->name);
		if (strncmp(node, p->config->name, len) == 0 && node[len] == '-')
			consider(f, node, (unsigned)p->config->agents, 0, 0);
	}
}

static void gather(struct agents *a, const struct pool *p, struct search *f)
{
	struct scaler *s = a->scaler;

	for (const struct node_entry *n = roster_first(s->roster); n; n = n->hh.next) {
		if (str_eq(n->status->pool, p->config->name) && n->status->agents_max &&
			steer_present(s->steer, n->name) && !steer_starting(s->steer, n->name))
			consider(f, n->name, n->status->agents_max, n->status->cpu_percent,
					 n->status->memory_percent);
	}
	steer_each_starting(s->steer, p, consider_starting, f);
}

/* Gives x a node, where there is or can be one. True: it changed. */
static bool place(struct agents *a, struct pool *p, struct agent *x, struct err *why)
{
	struct search f = {.agents = a, .project = x->project};
	const char *name = NULL;

	gather(a, p, &f);
	int at = placement_choose(f.nodes, f.n);
	if (at >= 0)
		name = f.nodes[at].name;
	else
		name = steer_start(a->scaler->steer, p, why);
	if (name) {
		copy(x->node, name);
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

	if (x->writing)
		return;
	if (*x->node && steer_present(a->scaler->steer, x->node)) {
		x->absent_ms = 0;
		return;
	}
	if (!x->absent_ms)
		x->absent_ms = now_ms;
	if (*x->node && now_ms - x->absent_ms < NODE_GONE_MS)
		return;
	char before[TOKEN_MAX + 1], text[200];
	copy(before, x->node);
	if (!place(a, p, x, &e) || !put(a, x, &e))
		return;
	snprintf(text, sizeof(text), *before ? "its node %s is gone" : "it had no node yet%s",
			 *before ? before : "");
	note(a, x, "place", text);
}

/* Idle since when it was active last, by its node's clock against ours: both tell wall time. */
static void watch_idling(struct agents *a, struct agent *x, int64_t now_wall_ns)
{
	const Millrace__AgentStatus *st = status_of(a, x);
	char text[120];
	struct err e;

	if (!x->max_idle_ms || x->writing || !st || !st->last_active_at || str_eq(st->state, "busy"))
		return;
	int64_t idle_ms = (now_wall_ns - st->last_active_at) / NS_PER_MS;
	if (idle_ms < x->max_idle_ms)
		return;
	snprintf(text, sizeof(text), "it had nothing to do for %lld s, and %lld s are its max_idle_time",
			 (long long)(idle_ms / 1000), (long long)(x->max_idle_ms / 1000));
	(void)terminate(a, x, "idle", text, &e);
}

/* All agents of the node are idle and fit elsewhere: they move, and the node is drained as one too many. */
static void consolidate(struct agents *a, struct pool *p, int64_t now_ms)
{
	struct search f = {.agents = a};
	int spare;

	gather(a, p, &f);
	spare = f.n > p->config->rule.min ? placement_spare(f.nodes, f.n, SPARE_SHARE) : -1;
	if (spare < 0) {
		a->spare_ms = 0;
	} else if (!a->spare_ms) {
		a->spare_ms = now_ms;
	} else if (now_ms - a->spare_ms > SPARE_AFTER_MS) {
		a->spare_ms = 0;
		steer_drain(a->scaler->steer, f.nodes[spare].name,
					"its agents fit into other processes of the pool");
	}
	free(f.nodes);
}

void agents_tick(struct agents *a, struct pool *p)
{
	int64_t now_ms = clock_mono_ms(), now_wall_ns = clock_wall_ns();
	struct agent *x, *tmp;

	if (!p->config->agents || !lead_holds(a->scaler->lead) || !a->told)
		return;
	HASH_ITER (hh, a->all, x, tmp) {
		if (!str_eq(x->pool_name, p->config->name))
			continue;
		watch_node(a, p, x, now_ms);
		watch_idling(a, x, now_wall_ns);
	}
	consolidate(a, p, now_ms);
}

/* ---- requests ---- */

static struct pool *pool_with_role(const struct scaler *s, const char *name, const char *role, struct err *e)
{
	struct pool *found = NULL;
	struct lane lane;

	if (lane_make(role, NULL, &lane, e)) {
		err_wrap(e, "role_type");
		return NULL;
	}
	for (size_t i = 0; i < s->npools && !found; i++) {
		struct pool *p = &s->pools[i];

		if (*name ? str_eq(p->config->name, name)
				  : p->config->agents && pool_config_serves(p->config, &lane))
			found = p;
	}
	if (!found)
		err_set(e, ERR_NOT_FOUND, *name ? "no pool '%s'; millrace pool list tells which there are"
										: "no pool of agents has the role '%s'",
				*name ? name : role);
	else if (!found->config->agents)
		err_set(e, ERR_INVALID, "pool %s is no pool of agents (its `agents:` is 0)", found->config->name);
	else if (found->config->types && !pool_config_serves(found->config, &lane))
		err_set(e, ERR_INVALID, "role_type: pool %s has no role '%s'", found->config->name, role);
	else
		return found;
	return NULL;
}

static void make_id(char out[TOKEN_MAX + 1], const char *role)
{
	uint8_t r[6];

	if (getentropy(r, sizeof(r)) != 0)
		abort();
	snprintf(out, TOKEN_MAX + 1, "%.40s-%02x%02x%02x%02x%02x%02x", role, r[0], r[1], r[2], r[3], r[4], r[5]);
}

static int check_spawn(const struct agents *a, const Millrace__AgentSpawn *w, struct pool **ret_pool,
					   struct err *e)
{
	if (!*w->role_type)
		return err_set(e, ERR_INVALID, "role_type: which role? as {\"role_type\":\"coder\"}");
	if ((*w->project_id && token_check("project_id", w->project_id, e)) ||
		(*w->agent_id && token_check("agent_id", w->agent_id, e)))
		return e->code;
	if (isnan(w->heartbeat_interval) || w->heartbeat_interval < 0 || w->heartbeat_interval > 86400)
		return err_set(e, ERR_INVALID, "heartbeat_interval: seconds, from 1 to 86400");
	if (isnan(w->max_idle_time) || w->max_idle_time > 31536000)
		return err_set(e, ERR_INVALID, "max_idle_time: seconds, at most a year; -1: never");
	*ret_pool = pool_with_role(a->scaler, w->pool_name, w->role_type, e);
	if (!*ret_pool)
		return e->code;
	unsigned most = (unsigned)(*ret_pool)->config->agents * (*ret_pool)->config->rule.max;
	if (agents_count(a, *ret_pool) >= most)
		return err_set(e, ERR_FULL, "pool %s is full: %u agents, %u processes of %u each", (*ret_pool)->config->name,
					   most, (*ret_pool)->config->rule.max, (unsigned)(*ret_pool)->config->agents);
	if (*w->agent_id && find(a, w->agent_id))
		return err_set(e, ERR_EXISTS, "agent %s is there already", w->agent_id);
	if (HASH_COUNT(a->all) >= AGENTS_MAX)
		return err_set(e, ERR_FULL, "there are %d agents, the most", AGENTS_MAX);
	return 0;
}

/* What does not exist is the asker's mistake here, and a full pool is a matter of patience. */
static int spawn_code(const struct err *e)
{
	if (e->code == ERR_NOT_FOUND)
		return 404;
	if (e->code == ERR_FULL)
		return 429;
	return e->code == ERR_EXISTS ? 409 : request_code(e->code);
}

static void spawn(struct agents *a, struct pool *p, const Millrace__AgentSpawn *w, struct service_request *r)
{
	struct agent *x = xcalloc(1, sizeof(*x));
	struct err e = {0};

	x->agents = a;
	if (*w->agent_id)
		copy(x->id, w->agent_id);
	else
		make_id(x->id, w->role_type);
	copy(x->role, w->role_type);
	copy(x->project, w->project_id);
	copy(x->pool_name, p->config->name);
	x->heartbeat_ms = (int64_t)((w->heartbeat_interval > 0 ? w->heartbeat_interval : HEARTBEAT_DEFAULT_S) * 1000);
	x->max_idle_ms = w->max_idle_time < 0 ? 0
										  : (int64_t)((w->max_idle_time > 0 ? w->max_idle_time : IDLE_DEFAULT_S) * 1000);
	x->spawned_wall_ns = clock_wall_ns();
	x->spawning = r;
	HASH_ADD_STR(a->all, id, x);
	/* Without a node it waits for one: every tick looks again. */
	(void)place(a, p, x, &e);
	if (!put(a, x, &e)) {
		service_fail(r, 503, "agent %s: %s", x->id, e.text);
		drop(x);
		return;
	}
	note(a, x, "spawn", "it was asked for");
}

void agents_on_spawn(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct pool *p = NULL;
	struct err e;

	if (request_read(service_message(r), &millrace__agent_spawn__descriptor, &m, &e) ||
		check_spawn(s->agents, (const Millrace__AgentSpawn *)m, &p, &e))
		service_fail(r, spawn_code(&e), "%s", e.text);
	else
		spawn(s->agents, p, (const Millrace__AgentSpawn *)m, r);
	if (m)
		codec_free(m);
}

void agents_on_terminate(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct agent *x = NULL;
	struct err e;

	if (request_read_named(service_message(r), &millrace__agent_terminate__descriptor, "agent_id", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__AgentTerminate *w = (const Millrace__AgentTerminate *)m;
	x = find(s->agents, w->agent_id);
	if (!x) {
		service_fail(r, 404, "no agent '%.64s'; millrace pool agents tells which there are", w->agent_id);
	} else {
		char why[120];
		snprintf(why, sizeof(why), "it was asked for%s%.60s", *w->by ? " by " : "", w->by);
		if (terminate(s->agents, x, "terminate", why, &e))
			service_fail(r, 503, "%s", e.text);
		else
			service_reply(r, CONTENT_JSON, "{\"ok\":true}", 11);
	}
	codec_free(m);
}

void agents_on_list(void *data, struct service_request *r)
{
	struct scaler *s = data;
	const struct agents *a = s->agents;
	size_t n = HASH_COUNT(a->all), i = 0;
	Millrace__AgentPage page = MILLRACE__AGENT_PAGE__INIT;

	Millrace__Agent *all = xcalloc(n ? n : 1, sizeof(*all)), **ptrs = xcalloc(n ? n : 1, sizeof(*ptrs));
	for (const struct agent *x = a->all; x; x = x->hh.next, i++) {
		describe(a, x, &all[i]);
		ptrs[i] = &all[i];
	}
	page.n_agents = n;
	page.agents = ptrs;
	request_answer(r, &page.base);
	free(all);
	free(ptrs);
}

void agents_on_get(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct agent *x;
	struct err e;

	if (request_read_named(service_message(r), &millrace__agent_get__descriptor, "agent_id", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	x = find(s->agents, ((const Millrace__AgentGet *)m)->agent_id);
	if (x)
		answer(s->agents, x, r);
	else
		service_fail(r, 404, "no agent '%.64s'", ((const Millrace__AgentGet *)m)->agent_id);
	codec_free(m);
}

/* ---- life ---- */

struct agents *agents_new(struct scaler *s)
{
	struct agents *a = xcalloc(1, sizeof(*a));

	a->scaler = s;
	return a;
}

int agents_watch(struct agents *a, struct err *e)
{
	return kv_watch(a->scaler->bus, BUCKET, ">", on_entry, a, &a->watch, e);
}

bool agents_known(const struct agents *a)
{
	return a->told;
}

void agents_stop(struct agents *a)
{
	if (a)
		kv_watch_stop(&a->watch);
}

void agents_free(struct agents **pa)
{
	struct agents *a = TAKE(*pa);
	struct agent *x, *tmp;

	if (!a)
		return;
	HASH_ITER (hh, a->all, x, tmp)
		drop(x);
	free(a);
}
