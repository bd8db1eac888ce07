/*
 * The wiring. In order: the connection; the roster, the lanes' settings and the
 * agents are watched; when all of them were told whole, it asks to lead. From
 * then on a tick every second: look at the lanes, and where it leads decide and act, pool
 * by pool. Whoever does not lead looks too: a leader that takes over knows what
 * came before. The broker away: nothing is decided, nothing ends.
 */
#include "scaler/scaler.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/service.h"
#include "scaler/agents.h"
#include "scaler/api.h"
#include "scaler/healing.h"
#include "scaler/journal.h"
#include "scaler/lead.h"
#include "scaler/metrics.h"
#include "scaler/node_command.h"
#include "scaler/processes.h"
#include "scaler/service_time.h"
#include "scaler/steer.h"

#define STALE_MS 5000   /* an older look decides nothing */
#define STOP_LOOK_MS 100

struct pool *scaler_pool(const struct scaler *s, const char *name)
{
	for (size_t i = 0; i < s->npools; i++) {
		if (str_eq(s->pools[i].config->name, name))
			return &s->pools[i];
	}
	return NULL;
}

/* A pool of foreign programs may serve what no file here tells. */
static bool nodes_serve(const struct scaler *s, const struct pool *p, const struct lane *lane)
{
	for (const struct node_entry *n = roster_first(s->roster); n; n = n->hh.next) {
		if (str_eq(n->status->pool, p->config->name) && !n->status->bridge &&
			node_has_type(n, lane->type) &&
			lane_served_by(lane, (const char *const *)n->status->capabilities,
						   n->status->n_capabilities))
			return true;
	}
	return false;
}

struct pool *scaler_pool_of(const struct scaler *s, const struct lane *lane)
{
	for (size_t i = 0; i < s->npools; i++) {
		if (pool_config_serves(s->pools[i].config, lane))
			return &s->pools[i];
	}
	for (size_t i = 0; i < s->npools; i++) {
		if (nodes_serve(s, &s->pools[i], lane))
			return &s->pools[i];
	}
	return NULL;
}

/* ---- deciding ---- */

static void add_lanes(struct scaler *s)
{
	for (size_t i = 0; i < s->npools; i++) {
		s->pools[i].view.waiting = 0;
		s->pools[i].view.oldest_s = s->pools[i].view.arrival_per_s = 0;
	}
	for (const struct observed_lane *l = observe_first(s->observe); l; l = l->hh.next) {
		struct pool *p = l->paused ? NULL : scaler_pool_of(s, &l->lane);

		if (!p)
			continue;
		p->view.waiting += l->lag.waiting;
		p->view.oldest_s = MAX_OF(p->view.oldest_s, l->lag.oldest_s);
		p->view.arrival_per_s += l->lag.arrival_per_s;
	}
}

static void tell_decision(struct scaler *s, struct pool *p)
{
	const struct policy_view *v = &p->view;
	Millrace__ScaleEvent e = MILLRACE__SCALE_EVENT__INIT;

	if (p->told && p->decision.target == p->told_target)
		return;
	e.pool = (char *)(uintptr_t)p->config->name;
	e.action = (char *)(uintptr_t)"target";
	e.from = p->told ? p->told_target : v->ready + v->starting;
	e.to = p->decision.target;
	e.reason = p->decision.text;
	e.waiting = v->waiting;
	e.oldest_s = v->oldest_s;
	e.arrival_per_s = v->arrival_per_s;
	e.forecast_per_s = v->forecast_per_s;
	e.service_s = v->service_s;
	e.utilization = p->slots ? (double)v->used / p->slots : 0;
	e.wait_s = isfinite(p->decision.wait_s) ? p->decision.wait_s : 0;
	journal_write(s->journal, lead_epoch(s->lead), &e);
	p->told = true;
	p->told_target = p->decision.target;
}

static void set_target(struct pool *p, unsigned target, const char *text)
{
	p->decision.target = target;
	p->decision.reason = POLICY_STEADY;
	snprintf(p->decision.text, sizeof(p->decision.text), "%s", text);
}

/* An agent is ended by who asks for its end, never by a number of nodes: as many as the agents need stay. */
static void take_fixed(const struct scaler *s, struct pool *p)
{
	unsigned needed = p->config->agents ? agents_nodes_needed(s->agents, p) : 0;
	char text[200];
	int len = snprintf(text, sizeof(text), "%u node%s asked for", p->fixed_nodes,
					   p->fixed_nodes == 1 ? " was" : "s were");

	if (needed > p->fixed_nodes)
		snprintf(text + len, sizeof(text) - (size_t)len,
				 ", but its agents, %u, need %u: end some (pool terminate) for fewer",
				 agents_count(s->agents, p), needed);
	set_target(p, MAX_OF(p->fixed_nodes, needed), text);
}

static void decide(struct scaler *s, struct pool *p)
{
	char text[200];

	if (p->fixed) {
		take_fixed(s, p);
	} else if (p->config->agents) {
		unsigned wanted = agents_nodes_wanted(s->agents, p);
		unsigned n = agents_count(s->agents, p);
		snprintf(text, sizeof(text), "%u agent%s, %lld a process: %u process%s", n, n == 1 ? "" : "s",
				 (long long)p->config->agents, wanted, wanted == 1 ? "" : "es");
		set_target(p, wanted, text);
	} else {
		policy_decide(&p->config->rule, &p->view, &p->memory, &p->decision);
	}
}

static void look_at(struct scaler *s, struct pool *p, double now_s, bool fresh)
{
	p->view.stale = !fresh;
	steer_view(s->steer, p, now_s);
	p->view.service_s = service_time_of(p);
	if (fresh) {
		forecast_add(&p->forecast, now_s, p->view.arrival_per_s);
		p->view.arrival_per_s = forecast_at(&p->forecast, 0);
		p->view.forecast_per_s =
			forecast_at(&p->forecast, p->config->rule.start_s + (double)s->config.tick_ns / NS_PER_S);
	}
}

/* Nodes of pools that the file does not have any more: nobody would ever drain them. One that we never heard of may be
 * of another system. */
static void end_unknown(struct scaler *s)
{
	for (const struct process *p = processes_first(s->processes); p; p = p->next) {
		const struct node_entry *n = roster_find(s->roster, p->node);

		if (p->expected || scaler_pool(s, p->pool) || !n || !n->status->scaled || !str_eq(n->status->pool, p->pool))
			continue;
		journal_note(s->journal, lead_epoch(s->lead), "retire", p->pool, p->node, NULL,
					 "no pool here has that name any more: it drains, and ends");
		processes_signal(s->processes, p->node, SIGTERM);
	}
}

static void decide_all(struct scaler *s, bool fresh)
{
	double now_s = (double)clock_mono_ms() / 1000;
	bool leading = lead_holds(s->lead);

	if (fresh)
		add_lanes(s);
	if (leading && !s->stopping)
		end_unknown(s);
	for (size_t i = 0; i < s->npools; i++) {
		struct pool *p = &s->pools[i];

		look_at(s, p, now_s, fresh);
		if (!leading || s->stopping)
			continue;
		decide(s, p);
		tell_decision(s, p);
		steer_pool(s->steer, p);
		agents_tick(s->agents, p);
	}
	service_time_fade(s);
	metrics_update(s, leading);
}

static void on_looked(void *data, bool ok)
{
	struct scaler *s = data;

	if (ok) {
		s->observed_ms = clock_mono_ms();
		s->observed_wall_ns = clock_wall_ns();
	}
	if (!s->stopping)
		decide_all(s, ok);
}

static void on_tick(struct timeout *t)
{
	struct scaler *s = container_of(t, struct scaler, tick);

	timeout_start(t, s->config.tick_ns / NS_PER_MS, on_tick);
	if (!s->opened || observe_look(s->observe, on_looked, s))
		return;
	/* No look can be had: the lease may be over, nodes may have died. */
	if (clock_mono_ms() - s->observed_ms > STALE_MS)
		decide_all(s, false);
}

void scaler_poke(struct scaler *s)
{
	if (s->opened && !s->stopping)
		timeout_start(&s->tick, 10, on_tick);
}

/* ---- leading ---- */

static void on_adopted(void *data, const struct process *p)
{
	struct scaler *s = data;

	steer_adopted(s->steer, p->node, p->pool);
}

static void open_service(struct scaler *s, bool leading)
{
	struct err e;

	service_close(&s->service);
	if (!s->stopping && api_open(s, leading, &s->service, &e))
		log_error("cannot answer as a service", LOG_S("why", e.text));
}

static void on_lead(void *data, bool leading)
{
	struct scaler *s = data;
	struct err e;

	heal_lead(s->heal, leading, lead_epoch(s->lead));
	agents_forget_askers(s->agents);
	open_service(s, leading);
	if (!leading)
		return;
	agents_lead(s->agents);
	s->leading_wall_ns = clock_wall_ns();
	for (size_t i = 0; i < s->npools; i++)
		s->pools[i].told = false;
	journal_note(s->journal, lead_epoch(s->lead), "lead", NULL, NULL, NULL, "%s leads now, on %zu pools",
				 s->config.name, s->npools);
	if (processes_adopt(s->processes, on_adopted, s, &e) < 0)
		log_error("cannot look for nodes that run already", LOG_S("why", e.text));
	scaler_poke(s);
}

static void on_process_end(void *data, const struct process *p, const char *how, bool well)
{
	struct scaler *s = data;

	int64_t lived_ms = clock_mono_ms() - p->since_ms;

	/* How old an adopted one is nobody knows; it was no child of a crash loop of ours. */
	if (p->adopted)
		lived_ms = MAX_OF(lived_ms, RESTART_YOUNG_MS);
	steer_ended(s->steer, p->node, p->pool, lived_ms, how, well, p->expected);
}

/* ---- the broker ---- */

static void maybe_open(struct scaler *s)
{
	if (s->opened || !roster_known(s->roster) || !observe_known(s->observe) || !agents_known(s->agents))
		return;
	s->opened = true;
	open_service(s, false);
	lead_begin(s->lead);
	timeout_start(&s->tick, 0, on_tick);
	daemon_ready(&s->daemon);
}

/* The three watches tell at their own times: a few looks until all were heard. */
static void on_waiting(struct timeout *t)
{
	struct scaler *s = container_of(t, struct scaler, tick);

	maybe_open(s);
	if (!s->opened)
		timeout_start(t, 50, on_waiting);
}

static void on_node(void *data, const struct node_entry *n, bool left)
{
	service_time_hear(data, n, left);
}

static void on_up(void *data)
{
	const struct scaler *s = data;

	log_info("connected", LOG_S("url", bus_url(s->bus)));
}

static void on_down(void *data UNUSED, const struct err *why)
{
	log_warn("broker away; nothing is started or ended until it is back", LOG_S("why", why->text));
}

static void on_async_error(void *data UNUSED, const struct err *e)
{
	log_warn("the broker refused something", LOG_S("why", e->text));
}

/* ---- start and end ---- */

static int open_parts(struct scaler *s, struct err *e)
{
	struct processes_events on_end = {on_process_end, s};
	int rc = processes_open(&s->daemon.loop, s->config.dir, &on_end, &s->processes, e);

	if (rc == 0)
		rc = roster_watch(s->roster, s->bus, e);
	if (rc == 0)
		rc = observe_watch(s->observe, e);
	if (rc == 0)
		rc = agents_watch(s->agents, e);
	return rc;
}

int scaler_start(struct scaler *s, struct err *e)
{
	struct bus_events events = {on_up, on_down, on_async_error, s};
	int rc = bus_open(&s->daemon.loop, &s->config.nats, "millrace-scaler", &events, &s->bus, e);

	if (rc)
		return err_wrap(e, "connecting");
	random_name(s->instance);
	s->npools = s->config.npools;
	s->pools = xcalloc(s->npools ? s->npools : 1, sizeof(*s->pools));
	for (size_t i = 0; i < s->npools; i++)
		s->pools[i].config = &s->config.pools[i];
	timeout_init(&s->tick, bus_timeouts(s->bus));
	s->roster = roster_new(bus_timeouts(s->bus), &(struct roster_events){.on_node = on_node, .data = s});
	s->observe = observe_new(s->bus);
	s->journal = journal_new(s->bus, s->config.name);
	s->steer = steer_new(s);
	s->agents = agents_new(s);
	s->lead = lead_new(s->bus, s->config.name, s->instance, s->config.lease_ns / NS_PER_MS,
					   &(struct lead_events){on_lead, s});
	rc = healing_open(s, e);
	if (rc == 0)
		rc = open_parts(s, e);
	if (rc == 0)
		timeout_start(&s->tick, 50, on_waiting);
	return rc;
}

/*
 * TERM is the same order as ctl.node.<n>.stop, and needs no broker: they drain, then end. Who was given either
 * gets no other: a second one ends a node at once.
 */
static void end_nodes(struct scaler *s)
{
	for (const struct process *p = processes_first(s->processes); p; p = p->next) {
		if (!steer_stopping(s->steer, p->node))
			processes_signal(s->processes, p->node, SIGTERM);
	}
}

static void on_stop_look(struct timeout *t)
{
	struct scaler *s = container_of(t, struct scaler, tick);

	if (!s->processes || !processes_first(s->processes)) {
		lead_end(s->lead);
		daemon_stopped(&s->daemon);
		return;
	}
	end_nodes(s);
	timeout_start(t, STOP_LOOK_MS, on_stop_look);
}

/*
 * TERM is the same order as ctl.node.<n>.stop, and needs no broker: they drain, then end. Where another leads they are its
 * nodes, that it has adopted.
 */
void scaler_stop(struct scaler *s)
{
	if (s->stopping)
		return;
	s->stopping = true;
	bool keep = s->config.keep_nodes || lead_is_anothers(s->lead);

	if (!lead_holds(s->lead))
		lead_end(s->lead); /* it shall not begin to lead now */
	agents_forget_askers(s->agents);
	service_close(&s->service);
	heal_stop(s->heal);
	timeout_stop(&s->tick);
	if (keep && s->processes) {
		log_info("its nodes are left to the scaler that leads", LOG_I("nodes", processes_count(s->processes, NULL)));
		processes_close(&s->processes);
	}
	timeout_start(&s->tick, 0, on_stop_look);
}

void scaler_release(struct scaler *s)
{
	if (!s->bus)
		return;
	s->opened = false;
	agents_forget_askers(s->agents);
	service_close(&s->service);
	timeout_stop(&s->tick);
	roster_stop(s->roster);
	observe_stop(s->observe);
	agents_stop(s->agents);
	node_command_drop_all();
	processes_close(&s->processes);
	steer_free(&s->steer);
	lead_free(&s->lead);
	heal_stop(s->heal);
	journal_stop(s->journal);
	bus_close(&s->bus);
	heal_free(&s->heal);
	agents_free(&s->agents);
	journal_free(&s->journal);
	observe_free(&s->observe);
	service_time_free();
	roster_free(&s->roster);
	free(s->pools);
}
