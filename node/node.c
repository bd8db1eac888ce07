/*
 * The wiring of a node: its parts, the order in which they come and go, and
 * what the connection's ups and downs mean to it. Every part can be read
 * alone; this file is where they meet.
 *
 * Well: connect, find the broker set up, watch lanes, register, work; on
 * SIGTERM drain, say farewell, exit 0. Badly: the broker is away: parts wait
 * and go on by themselves, at the start as later. The drain takes longer
 * than drain.timeout: what is left is dropped unacknowledged and is delivered
 * to another node within ack_wait.
 */
#include "node/node.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/service.h"
#include "node/agents.h"
#include "node/cancel.h"
#include "node/control.h"
#include "node/direct.h"
#include "node/lanes.h"
#include "node/needs.h"
#include "node/orphan.h"
#include "node/puller.h"
#include "node/registry.h"
#include "node/report.h"
#include "node/running.h"
#include "node/spool.h"

/* ---- the connection ---- */

static void on_up(void *data)
{
	struct node *n = data;

	log_info("connected", LOG_S("url", bus_url(n->bus)));
	if (n->needs)
		needs_look(n->needs);
}

static void on_down(void *data, const struct err *why)
{
	struct node *n = data;

	log_warn("broker away; waiting for it", LOG_S("url", bus_url(n->bus)),
			 LOG_S("error", why->text), LOG_I("running", n->slots.running),
			 LOG_I("outcomes_waiting", n->slots.unsettled));
}

static void on_async_error(void *data, const struct err *e)
{
	(void)data;
	log_warn("broker says", LOG_S("error", e->text));
}

/* What is cancelled is known: work may begin. */
static void on_markers_known(struct node *n)
{
	struct err e;

	if (n->life == NODE_STOPPING)
		return;
	if (lanes_open(n, &n->lanes, &e)) {
		log_error("cannot watch lanes", LOG_S("error", e.text));
		daemon_stop(n->daemon);
		return;
	}
	if (agents_wanted(n) && agents_open(n, &n->agents, &e)) {
		log_error("cannot watch agents", LOG_S("error", e.text));
		daemon_stop(n->daemon);
		return;
	}
	direct_open(n->puller);
	registry_start(n->registry);
	daemon_ready(n->daemon);
}

/* The broker has what we need. */
static void on_met(struct node *n)
{
	struct err e;

	if (n->life == NODE_STOPPING)
		return;
	if (control_open(n, &n->control, &e))
		log_error("no control service; this node obeys signals only", LOG_S("error", e.text));
	if (cancel_watch(n, on_markers_known, &e)) {
		log_error("cannot watch cancels", LOG_S("error", e.text));
		daemon_stop(n->daemon);
	}
}

/* ---- the end ---- */

static void on_handlers_closed(void *data)
{
	struct node *n = data;

	daemon_stopped(n->daemon);
}

static void on_left(struct node *n)
{
	handlers_close(&n->handlers, on_handlers_closed, n);
}

static void leave(void *data)
{
	struct node *n = data;

	lanes_close(&n->lanes);
	agents_close(&n->agents);
	cancel_close(n);
	service_close(&n->control);
	registry_leave(n->registry, on_left);
}

void node_settled(struct node *n)
{
	if (n->life != NODE_STOPPING || n->leaving || !slots_idle(&n->slots))
		return;
	n->leaving = true;
	bus_defer(n->bus, leave, n);
}

bool node_declines(const struct node *n)
{
	return n->life != NODE_READY;
}

bool node_drain(struct node *n, bool on)
{
	enum node_life life = on ? NODE_DRAINING : NODE_READY;

	if (n->life == NODE_STOPPING)
		return false;
	if (n->life == life)
		return true;
	n->life = life;
	log_info(on ? "draining" : "ready again", LOG_I("running", n->slots.running));
	registry_changed(n->registry);
	puller_wanted(n->puller);
	return true;
}

void node_stop(struct node *n)
{
	n->life = NODE_STOPPING;
	log_info("draining", LOG_I("running", n->slots.running),
			 LOG_I("outcomes_waiting", n->slots.unsettled));
	registry_changed(n->registry);
	node_settled(n);
}

/* ---- life ---- */

static void make_instance(struct node *n)
{
	uint32_t random = 0;

	/* Unique among the starts of one name, for ids and fencing by eye; not a secret. */
	if (uv_random(NULL, NULL, &random, sizeof(random), 0, NULL))
		random = (uint32_t)clock_wall_ns();
	snprintf(n->instance, sizeof(n->instance), "%s-%08x", n->config->name, random);
}

int node_open(struct node *n, struct daemon *d, const struct node_config *c, struct err *e)
{
	const struct bus_events ev = {on_up, on_down, on_async_error, n};
	char client[TOKEN_MAX + 32];

	*n = (struct node){.config = c, .daemon = d, .life = NODE_READY};
	n->started_wall_ns = clock_wall_ns();
	n->slots.total = (unsigned)c->slots;
	n->slots.bytes_max = (size_t)c->memory_bytes;
	make_instance(n);
	snprintf(client, sizeof(client), "millrace-node %s", c->name);
	if (bus_open(&d->loop, &c->nats, client, &ev, &n->bus, e))
		return e->code;
	n->handler_context = (struct handler_context){
		.loop = &d->loop, .bus = n->bus, .node = c->name, .on_hosted = agents_on_hosted, .data = n};
	if (handlers_open(c->handlers, &n->handler_context, &n->handlers, e)) {
		bus_close(&n->bus);
		return err_wrap(e, "handlers");
	}
	n->spool = spool_open(&d->loop, c->object_dir, c->name, (uint64_t)c->object_disk_bytes);
	n->running = running_open(n);
	n->reporter = reporter_open(n);
	n->puller = puller_open(n);
	n->registry = registry_open(n);
	n->needs = needs_open(n, on_met);
	needs_look(n->needs);
	if (c->orphan_after_ns)
		n->orphan = orphan_open(n);
	log_info("starting", LOG_S("node", c->name), LOG_I("slots", c->slots), LOG_S("pool", c->pool),
			 LOG_S("capabilities", c->capabilities_text),
			 LOG_I("types", handlers_count(n->handlers)),
			 LOG_S("bridge", c->bridge ? "true" : "false"));
	return 0;
}

/*
 * After a drain that was cut short there are children to be killed and directories to be removed,
 * which takes a few turns of the loop. Nothing of ours runs in them any more, and the bus is gone
 * by then: what was on its way to the broker would else come back to what is freed.
 */
static void on_patience_over(uv_timer_t *t)
{
	struct node *n = t->data;

	n->handlers_closed = true;
}

static void on_handlers_ended(void *data)
{
	struct node *n = data;

	n->handlers_closed = true;
}

static void await_handlers(struct node *n)
{
	if (n->handlers_closed)
		return;
	n->patience.data = n;
	uv_timer_init(&n->daemon->loop, &n->patience);
	uv_timer_start(&n->patience, on_patience_over, NODE_PATIENCE_MS, 0);
	while (!n->handlers_closed)
		uv_run(&n->daemon->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&n->patience, NULL);
}

void node_close(struct node *n)
{
	if (n->slots.running)
		log_warn("left unfinished; another node gets them", LOG_I("tasks", n->slots.running));
	/* Handlers first: they hold runs. Runs before what they are listed in. */
	n->handlers_closed = !n->handlers;
	if (n->handlers)
		handlers_close(&n->handlers, on_handlers_ended, n);
	n->life = NODE_STOPPING;
	n->leaving = true;
	lanes_close(&n->lanes);
	agents_close(&n->agents);
	orphan_close(&n->orphan);
	cancel_close(n);
	service_close(&n->control);
	running_close(&n->running);
	reporter_close(&n->reporter);
	puller_close(&n->puller);
	registry_close(&n->registry);
	needs_close(&n->needs);
	bus_close(&n->bus);
	await_handlers(n);
	while (spool_busy(n->spool))
		uv_run(&n->daemon->loop, UV_RUN_ONCE);
	spool_close(&n->spool);
}
