/*
 * The node's own queue. It stands apart from the lanes because nothing here is
 * shared: nobody else takes what is refused, so it has to go back by the
 * router, unspent, with a reason.
 *
 * Well: the router makes a durable with the first task for this node and says
 * so on wake.direct.<node>; its three classes are asked as those of one more
 * lane, and a message is run as if its lane had brought it. Badly: no durable
 * is there (looked for every five seconds, and at once when woken); the node has
 * no handler for the type, is excluded by the task, or the lane is paused:
 * handed back. A type that runs as many as it may keeps some here until
 * one ends; more go back too, and so does a retry that another node may take.
 */
#include "node/direct.h"

#include <stdio.h>
#include <utlist.h>

#include "common/log.h"
#include "node/lanes.h"
#include "node/puller_internal.h"

#define RETRY_FULL_NS NS_PER_S

void direct_open(struct puller *p)
{
	struct err e;

	p->node->direct = puller_add_direct(p, &e) == 0;
	if (!p->node->direct)
		log_error("this node takes no tasks that are given to it", LOG_S("error", e.text));
}

/* ---- durables ---- */

static void on_looked(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct puller_consumer *c = data;
	bool woken = c->woken;

	(void)reply;
	(void)server_code;
	c->looking = c->woken = false;
	if (e) {
		if (woken) /* it may have been made since */
			direct_look(c);
		return; /* else the sweep looks again */
	}
	c->absent = false;
	c->not_before_ms = 0;
	puller_hint(c);
	puller_wanted(c->lane->puller);
}

void direct_look(struct puller_consumer *c)
{
	struct bus *bus = c->lane->puller->node->bus;
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.INFO.DIRECT.%s", c->name);
	struct err e;

	c->not_before_ms = (int64_t)uv_now(bus_loop(bus)) + PULL_GONE_RETRY_MS;
	if (!c->looking)
		c->looking = js_api(bus, verb, NULL, on_looked, c, &e) == 0;
}

void direct_woken(struct served_lane *direct)
{
	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		struct puller_consumer *c = &direct->consumers[k];
		c->not_before_ms = c->backoff_ms = 0;
		if (!c->absent) {
			puller_hint(c);
			continue;
		}
		c->woken = c->looking;
		direct_look(c);
	}
}

/* ---- lanes ---- */

/* One that the bucket has not told of yet, or that we don't serve. */
static struct served_lane *stray(struct puller *p, const struct lane *lane)
{
	struct served_lane *l;

	DL_FOREACH2 (p->strays, l, stray_next) {
		if (!str_eq(l->lane.name, lane->name))
			continue;
		if (!l->handler) { /* a bridge's types come and go, and those of hosted agents */
			l->handler = lanes_handler(p->node->lanes, lane);
			l->group = l->handler ? puller_group_for(p, l->handler) : 0; /* nothing of it runs */
		}
		return l;
	}
	if (p->nstrays >= PULLER_LANES_MAX)
		puller_drop_stray(p);
	return puller_add_stray(p, lane, lanes_handler(p->node->lanes, lane));
}

struct served_lane *direct_lane(struct puller *p, const struct bus_msg *m)
{
	const char *type = bus_msg_header(m, H_TASK_TYPE);
	struct lane lane;

	/* What can't be read is the router's to judge: it makes a dead letter of it. */
	if (lane_make(type ? type : "", bus_msg_header(m, H_TASK_REQUIRES), &lane, NULL))
		lane = (struct lane){0};
	for (size_t i = 0; i < p->nlanes; i++) {
		if (!p->lanes[i]->direct && str_eq(p->lanes[i]->lane.name, lane.name))
			return p->lanes[i];
	}
	return stray(p, &lane);
}

/* ---- one run ---- */

static bool full(const struct puller *p, unsigned group)
{
	const struct pull_group *g = &p->groups[group];

	/* What is held was counted as running when it came. */
	return g->shut || (g->limit && g->running - MIN_OF(g->running, g->held) + g->asked >= g->limit);
}

static enum direct_verdict give_back(struct direct_refusal *ret, const char *reason,
									 int64_t retry_after_ns)
{
	ret->reason = reason;
	ret->retry_after_ns = retry_after_ns;
	return DIRECT_RETURN;
}

enum direct_verdict direct_judge(struct run *r, struct direct_refusal *ret)
{
	const char *me = r->node->config->name;
	struct served_lane *l = r->lane;
	struct puller *p = l->puller;

	*ret = (struct direct_refusal){0};
	if (names_have(r->task.not_nodes, me)) {
		snprintf(ret->words, sizeof(ret->words), "node %s is among its Task-Not-Nodes", me);
		return give_back(ret, "excluded", 0);
	}
	if (!r->direct)
		return DIRECT_BEGIN;
	if (!handler_serves(l->handler)) {
		snprintf(ret->words, sizeof(ret->words), "node %s does not serve lane %s", me,
				 l->lane.name);
		return give_back(ret, "no-handler", 0);
	}
	if (l->paused) {
		snprintf(ret->words, sizeof(ret->words), "lane %s is paused", l->lane.name);
		return give_back(ret, "paused", 0);
	}
	struct pull_group *g = &p->groups[l->group];
	g->held++; /* as if: it is not one of those that run */
	if (!full(p, l->group)) {
		g->held--;
		return DIRECT_BEGIN;
	}
	bool only_here = wish_hard(r->task.node) || wish_hard(r->task.same_node_as);
	/* A retry came here because we looked free: on its lane somebody may be. */
	bool elsewhere = r->task.avoid && !only_here;
	if (elsewhere || g->held > DIRECT_HELD_MAX || g->held > MAX_OF(r->node->slots.total / 2, 1u)) {
		g->held--;
		snprintf(ret->words, sizeof(ret->words), "node %s runs as many of type %s as it may", me,
				 l->lane.type);
		return give_back(ret, "busy", elsewhere ? NS_PER_MS : RETRY_FULL_NS);
	}
	r->place = RUN_HELD;
	DL_APPEND(p->held, r);
	return DIRECT_HOLD;
}

static void take_out(struct puller *p, struct run *r)
{
	DL_DELETE(p->held, r);
	p->groups[r->lane->group].held--;
	r->place = RUN_NOWHERE;
}

void direct_drop(struct run *r)
{
	if (r->place == RUN_HELD)
		take_out(r->lane->puller, r);
}

static void start_held(void *data)
{
	struct puller *p = data;
	struct run *r, *next;

	p->starting_held = false;
	DL_FOREACH_SAFE (p->held, r, next) {
		bool served = handler_serves(r->lane->handler);
		if (served && full(p, r->lane->group))
			continue;
		take_out(p, r);
		if (served)
			run_start_held(r);
		else
			run_return(r, "no-handler", "the last agent of its role left this node", 0);
	}
}

void direct_room(struct puller *p)
{
	if (!p->held || p->starting_held)
		return;
	p->starting_held = true;
	bus_defer(p->node->bus, start_held, p);
}

void direct_run_ended(struct served_lane *l)
{
	if (l->puller)
		direct_room(l->puller);
}

void direct_yield(struct puller *p, bool on)
{
	for (unsigned i = 1; i < p->ngroups; i++) {
		struct pull_group *g = &p->groups[i];
		if (p->turn % 2 && on)
			g->running -= MIN_OF(g->running, g->held);
		else if (p->turn % 2)
			g->running += g->held;
	}
}
