/*
 * Questions and orders. It stands alone between the pools and whoever asks;
 * what it tells is what the last tick saw. An order is taken when it is answered and
 * carried out by the next tick.
 */
#include "scaler/api.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/request.h"
#include "proto/scale.pb-c.h"
#include "scaler/agents.h"
#include "scaler/heal.h"
#include "scaler/journal.h"
#include "scaler/lead.h"
#include "scaler/predict.h"
#include "scaler/steer.h"

#define LISTED_MAX 1000
#define WAIT_TOLD_MAX_S 1e9

/* What a pool's record points to while it is packed. */
struct parts {
	const char *nodes[LISTED_MAX], *types[LISTED_MAX], *lanes[LISTED_MAX];
};

/* ---- pools ---- */

static void describe_nodes(const struct scaler *s, const struct pool *p, struct parts *t, Millrace__Pool *out)
{
	int64_t now_ms = clock_mono_ms();

	for (const struct node_entry *n = roster_first(s->roster); n; n = n->hh.next) {
		const char *state = node_state(n, now_ms);

		if (!str_eq(n->status->pool, p->config->name) || n->status->bridge ||
			str_eq(state, "lost") || str_eq(state, "stopped"))
			continue;
		out->process_count++;
		out->active_worker_processes += n->status->used > 0 || n->status->n_agents > 0;
		if (str_eq(state, "ready") && p->config->agents)
			out->total_capacity += n->status->agents_max;
		if (out->n_nodes < LISTED_MAX)
			t->nodes[out->n_nodes++] = n->name;
	}
}

static void describe_capacity(const struct scaler *s, const struct pool *p, Millrace__Pool *out)
{
	if (p->config->agents) {
		out->agent_count = agents_count(s->agents, p);
		out->used_capacity = out->agent_count;
		/* A process that is just being started will hold them. */
		out->total_capacity += p->view.starting * (unsigned)p->config->agents;
	} else {
		out->total_capacity = p->slots;
		out->used_capacity = p->view.used;
	}
	out->available_capacity =
		out->total_capacity > out->used_capacity ? out->total_capacity - out->used_capacity : 0;
	out->utilization = out->total_capacity ? (double)out->used_capacity / out->total_capacity : 0;
}

static void describe_work(const struct scaler *s, const struct pool *p, struct parts *t, Millrace__Pool *out)
{
	out->waiting = p->view.waiting;
	out->oldest_s = p->view.oldest_s;
	out->arrival_per_s = p->view.arrival_per_s;
	out->forecast_per_s = p->view.forecast_per_s;
	out->service_s = p->view.service_s;
	out->wait_s = isfinite(p->decision.wait_s) ? p->decision.wait_s : NAN;
	for (char *const *w = p->config->types; w && *w && out->n_types < LISTED_MAX; w++)
		t->types[out->n_types++] = *w;
	for (const struct observed_lane *l = observe_first(s->observe); l; l = l->hh.next) {
		if (l->state.messages && out->n_lanes < LISTED_MAX && scaler_pool_of(s, &l->lane) == p)
			t->lanes[out->n_lanes++] = l->lane.name;
	}
}

static void describe(const struct scaler *s, const struct pool *p, struct parts *t, Millrace__Pool *out)
{
	millrace__pool__init(out);
	out->pool_name = (char *)(uintptr_t)p->config->name;
	out->driver = (char *)(uintptr_t)driver_name(p->config->driver);
	out->min = p->config->rule.min;
	out->max = p->config->rule.max;
	out->target = p->decision.target;
	out->scaled = p->fixed;
	out->fixed = p->fixed ? p->fixed_nodes : 0;
	out->starting = p->view.starting;
	out->draining = p->view.draining;
	out->promise_s = p->config->rule.promise_s;
	out->reason = (char *)(uintptr_t)p->decision.text;
	out->suspended = p->restart.suspended;
	describe_nodes(s, p, t, out);
	describe_capacity(s, p, out);
	describe_work(s, p, t, out);
	out->nodes = (char **)(uintptr_t)t->nodes;
	out->types = (char **)(uintptr_t)t->types;
	out->lanes = (char **)(uintptr_t)t->lanes;
}

static void on_pool_list(void *data, struct service_request *r)
{
	struct scaler *s = data;
	Millrace__PoolPage page = MILLRACE__POOL_PAGE__INIT;
	Millrace__Pool *all = xcalloc(s->npools, sizeof(*all)), **ptrs = xcalloc(s->npools, sizeof(*ptrs));
	struct parts *parts = xcalloc(s->npools, sizeof(*parts));

	for (size_t i = 0; i < s->npools; i++) {
		describe(s, &s->pools[i], &parts[i], &all[i]);
		ptrs[i] = &all[i];
	}
	page.n_pools = s->npools;
	page.pools = ptrs;
	request_answer(r, &page.base);
	free(all);
	free(ptrs);
	free(parts);
}

static void answer_pool(struct scaler *s, const struct pool *p, struct service_request *r)
{
	struct parts *parts = xcalloc(1, sizeof(*parts));
	Millrace__Pool out;

	describe(s, p, parts, &out);
	request_answer(r, &out.base);
	free(parts);
}

/* NULL: it was refused. */
static struct pool *named_pool(struct scaler *s, const char *name, struct service_request *r)
{
	struct pool *p = scaler_pool(s, name);

	if (!p)
		service_fail(r, 404, "no pool '%.64s'; millrace pool list tells which there are", name);
	return p;
}

static void on_pool_get(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct err e;

	if (request_read_named(service_message(r), &millrace__pool_get__descriptor, "name", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	const struct pool *p = named_pool(s, ((const Millrace__PoolGet *)m)->name, r);
	if (p)
		answer_pool(s, p, r);
	codec_free(m);
}

static void set_fixed(struct scaler *s, struct pool *p, const Millrace__PoolScale *w, struct service_request *r)
{
	if (w->nodes > (int)p->config->rule.max) {
		service_fail(r, 400, "nodes: %d, and pool %s may have %u at most (its `max:`)", w->nodes,
					 p->config->name, p->config->rule.max);
		return;
	}
	p->fixed = w->nodes >= 0;
	p->memory = (struct policy_memory){0}; /* what it decided before says nothing of afterwards */
	p->fixed_nodes = (unsigned)MAX_OF(w->nodes, 0);
	if (p->fixed)
		journal_note(s->journal, lead_epoch(s->lead), "target", p->config->name, NULL, NULL,
					 "%u nodes were asked for%s%.60s, until `pool scale %s auto`", p->fixed_nodes,
					 *w->by ? " by " : "", w->by, p->config->name);
	else
		journal_note(s->journal, lead_epoch(s->lead), "target", p->config->name, NULL, NULL,
					 "it decides by itself again");
	scaler_poke(s);
	answer_pool(s, p, r);
}

static void on_pool_scale(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct err e;

	if (request_read(service_message(r), &millrace__pool_scale__descriptor, &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__PoolScale *w = (const Millrace__PoolScale *)m;
	struct pool *p = named_pool(s, w->name, r);
	if (p)
		set_fixed(s, p, w, r);
	codec_free(m);
}

static void on_pool_resume(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct err e;

	if (request_read_named(service_message(r), &millrace__pool_get__descriptor, "name", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	struct pool *p = named_pool(s, ((const Millrace__PoolGet *)m)->name, r);
	if (p) {
		p->restart = (struct restart){0};
		journal_note(s->journal, lead_epoch(s->lead), "resume", p->config->name, NULL, NULL,
					 "it was asked for");
		scaler_poke(s);
		answer_pool(s, p, r);
	}
	codec_free(m);
}

/* ---- the scaler ---- */

static void on_status(void *data, struct service_request *r)
{
	struct scaler *s = data;
	Millrace__ScalerStatus out = MILLRACE__SCALER_STATUS__INIT;
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	out.leader = s->config.name;
	out.host = host;
	out.epoch = lead_epoch(s->lead);
	out.since_at = s->leading_wall_ns;
	out.pools = (uint32_t)s->npools;
	out.observed_at = s->observed_wall_ns;
	for (size_t i = 0; i < s->npools; i++)
		out.nodes += s->pools[i].view.ready + s->pools[i].view.draining;
	request_answer(r, &out.base);
}

static void predict_view_of(const struct scaler *s, const struct pool *p, const struct observed_lane *l,
							enum task_class class, struct predict_view *v)
{
	*v = (struct predict_view){0};
	if (!p)
		return;
	v->slots = p->slots;
	v->used = p->view.used;
	v->service_s = p->view.service_s;
	if (p->view.ready == 0 && p->config->rule.max > 0 && p->config->driver != DRIVER_ADVISE)
		v->start_s = p->config->rule.start_s, v->slots_started = p->config->rule.slots;
	/* Its slots are shared by all lanes of the pool, taken in turn: what waits on the others goes before it as well. */
	for (const struct observed_lane *o = observe_first(s->observe); o; o = o->hh.next) {
		if (o->paused || (o != l && scaler_pool_of(s, &o->lane) != p))
			continue;
		for (int k = 0; k <= (int)class; k++)
			v->ahead += o->by_class[k];
	}
}

static enum task_class class_named(const char *name)
{
	for (int k = 0; k < CLASS_COUNT; k++) {
		if (str_eq(name, task_class_name((enum task_class)k)))
			return (enum task_class)k;
	}
	return CLASS_NORMAL;
}

static void on_predict(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	CLEANUP(buf_release) struct buf requires = {0};
	struct predict_view v;
	struct lane lane;
	struct err e;

	if (request_read_named(service_message(r), &millrace__predict__descriptor, "type", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__Predict *w = (const Millrace__Predict *)m;
	for (size_t i = 0; i < w->n_requires; i++) {
		buf_add_str(&requires, i ? "," : "");
		buf_add_str(&requires, w->requires[i]);
	}
	if (lane_make(w->type, requires.data, &lane, &e)) {
		request_refuse(r, &e);
		codec_free(m);
		return;
	}
	const struct pool *p = scaler_pool_of(s, &lane);
	const struct observed_lane *l = observe_find(s->observe, lane.name);
	Millrace__Prediction out = MILLRACE__PREDICTION__INIT;
	char basis[240];

	predict_view_of(s, p, l, class_named(w->priority), &v);
	bool paused = observe_paused(s->observe, lane.name);
	double wait_s = predict_wait_s(&v);
	if (!p)
		snprintf(basis, sizeof(basis), "no pool serves lane %s", lane.name);
	else if (paused)
		snprintf(basis, sizeof(basis), "lane %s is paused", lane.name);
	else
		snprintf(basis, sizeof(basis), "%llu go before it, %u of %u slots of pool %s run a task, each of %.3g s",
				 (unsigned long long)v.ahead, v.used, v.slots, p->config->name, v.service_s);
	if (!p || paused)
		wait_s = INFINITY;
	out.lane = lane.name;
	/* A moment that lies beyond all calendars is none. */
	out.start_at = wait_s < WAIT_TOLD_MAX_S ? clock_wall_ns() + (int64_t)(wait_s * NS_PER_S) : 0;
	out.wait_s = isfinite(wait_s) ? wait_s : NAN;
	out.ahead = v.ahead;
	out.slots = v.slots;
	out.service_s = v.service_s;
	out.basis = basis;
	request_answer(r, &out.base);
	codec_free(m);
}

int api_open(struct scaler *s, bool leading, struct service **ret, struct err *e)
{
	const struct service_endpoint endpoints[] = {
		{"pool-list", "api.pool.list", NULL, on_pool_list, NULL},
		{"pool-get", "api.pool.get", NULL, on_pool_get, NULL},
		{"pool-scale", "api.pool.scale", NULL, on_pool_scale, NULL},
		{"pool-resume", "api.pool.resume", NULL, on_pool_resume, NULL},
		{"agent-spawn", "api.agent.spawn", NULL, agents_on_spawn, NULL},
		{"agent-terminate", "api.agent.terminate", NULL, agents_on_terminate, NULL},
		{"agent-list", "api.agent.list", NULL, agents_on_list, NULL},
		{"agent-get", "api.agent.get", NULL, agents_on_get, NULL},
		{"scaler-status", "api.scaler.status", NULL, on_status, NULL},
		{"scaler-predict", "api.scaler.predict", NULL, on_predict, NULL},
		{"heal-status", "api.heal.status", NULL, heal_on_status, s->heal},
		{"heal-run", "api.heal.run", NULL, heal_on_run, s->heal},
	};

	const char *const metadata[] = {"scaler", s->config.name, "leads", leading ? "yes" : "no", NULL};

	return service_open(s->bus, "millrace-scaler", "decides how many nodes there are", metadata, endpoints,
						leading ? ARRAY_LEN(endpoints) : 0, s, ret, e);
}
