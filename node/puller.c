/*
 * The edge of pulling: one js_pull per consumer, counters that mirror what is
 * outstanding, and a plan at the end of each turn in which something changed.
 * pull_plan.c decides; this file does it and keeps the books.
 *
 * Well: a lane is told, its three consumers are parked, a task comes, is begun
 * in the same turn, and the request is renewed at the turn's end. Badly: the
 * broker goes (requests end as lost; all are asked again when it is back), a
 * consumer is gone (its lane is set aside until the bucket tells it again, or
 * five seconds), a request is lost again and again (asked again with a
 * doubling pause), a wake is lost (the sweep finds the work within a second).
 *
 * A lane that is dropped keeps its open requests until they end, for what
 * the broker sends to a closed one would lie idle for the whole ack_wait.
 */
#include "node/puller_internal.h"

#include "common/log.h"
#include "node/avoid.h"
#include "node/direct.h"
#include "node/permits.h"
#include "node/registry.h"
#include "node/run.h"

/* What the server counts to a message beside its payload: subject and reply. */
#define MESSAGE_FRAME_BYTES 4096
/* A long poll that ends sooner, with nothing, was refused (too many waiting): not asked again at
 * once. */
#define PARK_REFUSED_MS 100
/* A message delivered less often is handed back without a delay. */
#define HAND_BACK_AT_ONCE 3

static bool closed_now(const struct puller_consumer *c, int64_t now_ms)
{
	const struct served_lane *l = c->lane;

	return l->paused || l->removed || l->gone_until_ms > now_ms || c->absent ||
		   c->not_before_ms > now_ms;
}

/* ---- asking ---- */

void puller_book_end(struct puller *p, struct puller_consumer *c)
{
	struct pull_source *s = source_of(c);
	struct pull_group *g = &p->groups[c->lane->group];

	slots_ask_ended(&p->node->slots, s->credits, c->max_bytes);
	g->asked -= MIN_OF(g->asked, s->credits);
	if (s->lane_group)
		p->groups[s->lane_group].asked -= MIN_OF(p->groups[s->lane_group].asked, s->credits);
	if (s->parked)
		g->parked -= MIN_OF(g->parked, s->credits);
	s->credits = 0;
	s->parked = false;
	c->max_bytes = 0;
}

static void do_ask(struct puller *p, const struct pull_ask *a)
{
	struct puller_consumer *c =
		&p->lanes[a->source / CLASS_COUNT]->consumers[a->source % CLASS_COUNT];
	struct pull_source *s = &p->sources[a->source];
	struct err e;

	/* The plan has booked the group's share; from here book_end undoes all of it. */
	s->credits = a->batch;
	s->parked = a->park;
	c->max_bytes = a->max_bytes;
	c->got = false;
	c->woken = false;
	c->asked_ms = (int64_t)uv_now(bus_loop(p->node->bus));
	slots_ask(&p->node->slots, a->batch, a->max_bytes);
	if (js_pull_ask(c->pull, a->batch, a->park ? PULL_EXPIRES_MS : 0, a->max_bytes, &e) == 0) {
		metric_add(a->park ? p->asked_parked : p->asked_now, 1);
		return;
	}
	puller_book_end(p, c);
	if (e.code == ERR_UNREACHABLE) {
		p->unreachable = true;
		return;
	}
	c->not_before_ms = (int64_t)uv_now(bus_loop(p->node->bus)) + PULL_BACKOFF_MAX_MS;
	log_warn("cannot ask for tasks; again in 5 s", LOG_S("lane", c->lane->lane.name),
			 LOG_S("error", e.text));
}

/* What a lane's consumers are known to have, as far as we could begin it. */
static unsigned wanted_of(const struct puller *p, const struct served_lane *l, int64_t now_ms)
{
	unsigned most = node_declines(p->node) ? 0 : slots_free(&p->node->slots);
	uint64_t n = 0;

	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		const struct pull_source *s = &p->sources[l->index * CLASS_COUNT + k];
		if (s->hinted && !s->credits && !closed_now(&l->consumers[k], now_ms))
			n += s->pending ? s->pending : MAX_OF(most / 4, 1);
	}
	return (unsigned)MIN_OF(n, (uint64_t)most);
}

static void plan_metered(struct puller *p, int64_t now_ms)
{
	for (size_t i = 0; i < p->nlanes; i++) {
		struct served_lane *l = p->lanes[i];
		if (!l->permits || !permits_active(l->permits))
			continue;
		struct pull_group *g = &p->groups[l->lane_group];
		unsigned more = permits_plan(l->permits, g->running, g->asked, wanted_of(p, l, now_ms));
		unsigned used = g->running + g->asked;
		g->limit = more > UINT32_MAX - used ? UINT32_MAX : used + more;
	}
}

static void plan(void *data)
{
	struct puller *p = data;
	struct node *n = p->node;

	p->planned = false;
	if (p->closed || p->unreachable || !p->nlanes)
		return;
	int64_t now_ms = (int64_t)uv_now(bus_loop(n->bus));
	if (p->nmetered)
		plan_metered(p, now_ms);
	if (node_declines(n))
		return;
	for (size_t i = 0; i < p->nlanes; i++) {
		struct served_lane *l = p->lanes[i];
		for (unsigned k = 0; k < CLASS_COUNT; k++)
			p->sources[i * CLASS_COUNT + k].closed = closed_now(&l->consumers[k], now_ms);
	}
	struct pull_room room = {
		.free = slots_free(&n->slots),
		.idle = n->slots.total > n->slots.running ? n->slots.total - n->slots.running : 0,
		.bytes_free = slots_bytes_free(&n->slots),
		.message_max = bus_max_payload(n->bus) + MESSAGE_FRAME_BYTES,
		.now_ms = now_ms,
		.turn = p->turn,
	};
	direct_yield(p, true);
	size_t asks = pull_plan(&room, p->sources, p->nlanes * CLASS_COUNT, p->groups, p->asks);
	direct_yield(p, false);
	for (size_t i = 0; i < asks; i++)
		do_ask(p, &p->asks[i]);
}

void puller_wanted(struct puller *p)
{
	if (p->planned)
		return;
	p->planned = true;
	bus_defer(p->node->bus, plan, p);
}

/* ---- what comes ---- */

/*
 * At once goes to whoever else waits. Where nobody does it comes back on our own open request,
 * counted as a delivery each time: after a few it waits until that request is over.
 */
static int64_t hand_back_delay_ms(const struct puller_consumer *c, const struct pull_source *s,
								  uint64_t delivered)
{
	int64_t over_ms = c->asked_ms + PULL_EXPIRES_MS + 100 - s->active_ms;

	return delivered < HAND_BACK_AT_ONCE || !s->credits ? 0 : MAX_OF(over_ms, 100);
}

/* An agent went after this was asked for: whoever has one free may have it. */
static bool nobody_free(const struct puller *p, const struct served_lane *l)
{
	return l->handler && l->handler->hosting && p->groups[l->group].running >= l->handler->slots;
}

static bool admitted(const struct puller *p, const struct served_lane *l)
{
	return !l->permits || !permits_active(l->permits) ||
		   permits_take(l->permits, p->groups[l->lane_group].running);
}

void puller_on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct puller_consumer *c = data;
	struct puller *p = c->lane->puller;
	struct pull_source *s = source_of(c);
	struct pull_group *g = &p->groups[c->lane->group];
	bool credited = s->credits > 0;
	int64_t delay_ms;

	if (credited) {
		s->credits--;
		g->asked -= MIN_OF(g->asked, 1);
		if (s->lane_group)
			p->groups[s->lane_group].asked -= MIN_OF(p->groups[s->lane_group].asked, 1);
		if (s->parked)
			g->parked -= MIN_OF(g->parked, 1);
	}
	c->got = true;
	c->backoff_ms = 0;
	s->pending = meta->pending;
	s->hinted = meta->pending > 0;
	s->active_ms = (int64_t)uv_now(bus_loop(p->node->bus));
	if (node_declines(p->node)) {
		slots_decline(&p->node->slots, credited);
		metric_add(p->declined, 1);
		js_nak(p->node->bus, bus_msg_reply(*m), hand_back_delay_ms(c, s, meta->delivered));
		return;
	}
	struct served_lane *l = c->lane->direct ? direct_lane(p, *m) : c->lane;
	/* What only we were given has nobody else to go to. */
	if (!c->lane->direct && avoid_hands_back(bus_msg_header(*m, H_TASK_AVOID),
											 p->node->config->name, meta->delivered, &delay_ms)) {
		slots_decline(&p->node->slots, credited);
		metric_add(p->avoided, 1);
		js_nak(p->node->bus, bus_msg_reply(*m), delay_ms);
		puller_wanted(p);
		return;
	}
	/* Asked for before the lane was closed or limited. By then everybody's long polls are over. */
	if (!c->lane->direct && (l->paused || !admitted(p, l))) {
		slots_decline(&p->node->slots, credited);
		metric_add(p->declined, 1);
		js_nak(p->node->bus, bus_msg_reply(*m), PULL_EXPIRES_MS + 100);
		return;
	}
	if (!c->lane->direct && nobody_free(p, l)) {
		slots_decline(&p->node->slots, credited);
		metric_add(p->declined, 1);
		js_nak(p->node->bus, bus_msg_reply(*m), hand_back_delay_ms(c, s, meta->delivered));
		puller_wanted(p);
		return;
	}
	slots_begin(&p->node->slots, credited, bus_msg_len(*m));
	p->groups[l->group].running++;
	if (l->lane_group)
		p->groups[l->lane_group].running++;
	registry_began(p->node->registry);
	run_begin(p->node, l, m, meta, c->lane->direct);
}

static void on_empty(struct puller_consumer *c, bool parked, int64_t now_ms)
{
	struct pull_source *s = source_of(c);

	/* It may have ended at its limit of bytes; then the last delivery told of more. */
	s->hinted = c->woken || (c->got && s->pending);
	s->pending = 0;
	c->backoff_ms = 0;
	if (parked && !c->got && now_ms - c->asked_ms < PARK_REFUSED_MS)
		c->not_before_ms = now_ms + PULL_SWEEP_MS;
}

static void on_lost(struct puller_consumer *c, int64_t now_ms)
{
	if (c->woken)
		c->backoff_ms = c->not_before_ms = 0;
	/* Once is a reconnect or a new leader: at once. Again and again: ever slower. */
	if (c->backoff_ms)
		c->not_before_ms = now_ms + c->backoff_ms;
	c->backoff_ms = c->got ? 0 : MIN_OF(MAX_OF(c->backoff_ms * 2, 100), PULL_BACKOFF_MAX_MS);
}

static void on_gone(struct puller_consumer *c, int64_t now_ms)
{
	struct served_lane *l = c->lane;

	if (l->gone_until_ms <= now_ms && !l->removed)
		log_info("lane is gone", LOG_S("lane", l->lane.name));
	l->gone_until_ms = now_ms + PULL_GONE_RETRY_MS;
}

void puller_on_end(void *data, enum js_pull_end why)
{
	struct puller_consumer *c = data;
	struct served_lane *l = c->lane;
	struct puller *p = l->puller;
	struct pull_source *s = source_of(c);
	int64_t now_ms = (int64_t)uv_now(bus_loop(p->node->bus));
	bool parked = s->parked;

	p->turn += c->got && !parked;
	puller_book_end(p, c);
	direct_room(p); /* its credits counted against what is held */
	/* Lost once is a reconnect or a new leader; again may be the silence of one that is gone. */
	if (l->direct && (why == JS_PULL_GONE || (why == JS_PULL_LOST && c->backoff_ms))) {
		c->absent = true;
		s->hinted = c->woken = false;
		s->pending = 0;
		direct_look(c);
		puller_wanted(p);
		node_settled(p->node);
		return;
	}
	switch (why) {
	case JS_PULL_FILLED:
		c->backoff_ms = 0;
		break;
	case JS_PULL_EMPTY:
		on_empty(c, parked, now_ms);
		break;
	case JS_PULL_LOST:
		on_lost(c, now_ms);
		s->hinted = true;
		s->pending = 0;
		break;
	case JS_PULL_GONE:
		on_gone(c, now_ms);
		s->hinted = false;
		break;
	}
	c->woken = false;
	puller_wanted(p);
	if (l->removed)
		puller_remove_ended(p, l);
	node_settled(p->node);
}

/* ---- finding work that no parked request finds ---- */

void puller_hint(struct puller_consumer *c)
{
	struct pull_source *s = source_of(c);

	if (s->credits) {
		/* A parked request gets it by itself; one under way may just have missed it. */
		c->woken = c->woken || !s->parked;
	} else if (!s->hinted) {
		s->hinted = true;
		s->pending = 0;
	}
}

static bool metered(const struct served_lane *l)
{
	return l->permits && permits_active(l->permits);
}

void puller_seek(struct served_lane *l)
{
	bool idle = true, all = true;

	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		const struct pull_source *s = source_of(&l->consumers[k]);
		idle = idle && !s->hinted && !s->credits;
		all = all && (s->hinted || s->credits);
		if (!metered(l) || s->credits)
			puller_hint(&l->consumers[k]);
	}
	/* To ask in vain would cost others a place, or a token. */
	if (metered(l) && !all && !l->paused)
		permits_look(l->permits, idle);
}

void puller_found(struct puller *p, const char *lane, enum task_class class, uint64_t n)
{
	for (size_t i = 0; i < p->nlanes; i++) {
		struct pull_source *s = &p->sources[i * CLASS_COUNT + class];
		if (!str_eq(p->lanes[i]->lane.name, lane) || s->hinted || s->credits)
			continue;
		s->hinted = true;
		s->pending = n;
		puller_wanted(p);
	}
}

void puller_on_wake(void *data, struct bus_msg **m)
{
	struct served_lane *l = data;

	(void)m;
	if (l->direct)
		direct_woken(l);
	else
		puller_seek(l);
	puller_wanted(l->puller);
}

static void on_sweep(struct timeout *t)
{
	struct puller *p = container_of(t, struct puller, sweep);
	int64_t now_ms = (int64_t)uv_now(bus_loop(p->node->bus));
	size_t n = p->nlanes * CLASS_COUNT;
	size_t asked = 0;

	timeout_start(t, PULL_SWEEP_MS, on_sweep);
	if (p->unreachable || node_declines(p->node))
		return;
	for (size_t k = 0; k < n && asked < PULL_SWEEP_MAX; k++) {
		size_t i = p->sweep_at++ % n;
		struct puller_consumer *c = &p->lanes[i / CLASS_COUNT]->consumers[i % CLASS_COUNT];
		if (c->absent && c->not_before_ms <= now_ms)
			direct_look(c);
		if (p->sources[i].credits || closed_now(c, now_ms))
			continue;
		if (!metered(c->lane))
			puller_hint(c);
		else if (c->class == CLASS_HIGH)
			puller_seek(c->lane);
		asked++;
	}
	if (n)
		puller_wanted(p);
}

static void on_up(struct bus_hook *h)
{
	struct puller *p = container_of(h, struct puller, hook);

	p->unreachable = false;
	for (size_t i = 0; i < p->nlanes; i++) {
		p->lanes[i]->gone_until_ms = 0;
		for (unsigned k = 0; k < CLASS_COUNT; k++) {
			struct puller_consumer *c = &p->lanes[i]->consumers[k];
			c->not_before_ms = c->backoff_ms = 0;
		}
		if (p->lanes[i]->direct)
			direct_woken(p->lanes[i]);
		else
			puller_seek(p->lanes[i]);
	}
	puller_wanted(p);
}

static void on_down(struct bus_hook *h)
{
	container_of(h, struct puller, hook)->unreachable = true;
}

/* ---- life ---- */

struct puller *puller_open(struct node *n)
{
	struct puller *p = xcalloc(1, sizeof(*p));

	p->node = n;
	p->groups = xcalloc(1, sizeof(*p->groups));
	p->group_of = xcalloc(1, sizeof(struct handler *));
	p->ngroups = 1;
	p->unreachable = !bus_is_up(n->bus);
	p->asked_parked =
		metric_counter("millrace_node_pulls_total", "Pull requests sent.", "kind=\"parked\"");
	p->asked_now =
		metric_counter("millrace_node_pulls_total", "Pull requests sent.", "kind=\"no_wait\"");
	p->declined = metric_counter(
		"millrace_node_declined_total",
		"Deliveries handed back: asked for before a drain, a pause, a limit or an agent's end.",
		NULL);
	p->avoided = metric_counter("millrace_node_avoided_total",
								"Retries left to other nodes, as this one failed them.", NULL);
	timeout_init(&p->sweep, bus_timeouts(n->bus));
	timeout_start(&p->sweep, PULL_SWEEP_MS, on_sweep);
	p->hook = (struct bus_hook){.on_up = on_up, .on_down = on_down};
	bus_hook_add(n->bus, &p->hook);
	return p;
}

static void free_puller(void *data)
{
	struct puller *p = data;

	free(p->lanes);
	free(p->sources);
	free(p->asks);
	free(p->groups);
	free(p->group_of);
	permits_free_all(&p->permits);
	free(p);
}

void puller_close(struct puller **pp)
{
	struct puller *p = TAKE(*pp);

	if (!p)
		return;
	for (size_t i = 0; i < p->nlanes; i++) {
		puller_close_consumers(p, p->lanes[i]);
		p->lanes[i]->puller = NULL;
		served_lane_unref(p->lanes[i]);
	}
	permits_close_all(p->permits);
	while (p->strays)
		puller_drop_stray(p);
	bus_hook_remove(p->node->bus, &p->hook);
	timeout_stop(&p->sweep);
	p->nlanes = 0;
	p->closed = true;
	bus_defer(p->node->bus, free_puller, p); /* behind a plan that may be due */
}
