/*
 * The lanes that the puller asks: three consumers, a wake subscription and
 * the counters of each, and their place in the puller's tables. Apart from
 * the asking itself, as this is what grows and shrinks with the world.
 *
 * Well: a lane is told, gets its places, and keeps them until it is dropped
 * and its last request ended. Badly: over PULLER_LANES_MAX, or with a
 * subscription that can't be made, a lane is not served and that is logged.
 */
#include <stdio.h>
#include <utlist.h>

#include "common/log.h"
#include "node/direct.h"
#include "node/permits.h"
#include "node/puller_internal.h"
#include "node/running.h"

static struct served_lane *find(const struct puller *p, const char *name)
{
	for (size_t i = 0; i < p->nlanes; i++) {
		if (!p->lanes[i]->direct && str_eq(p->lanes[i]->lane.name, name))
			return p->lanes[i];
	}
	return NULL;
}

unsigned puller_group_for(struct puller *p, struct handler *h)
{
	if (!h->slots && !h->hosting)
		return 0;
	for (unsigned i = 1; i < p->ngroups; i++) {
		if (p->group_of[i] == h)
			return i;
	}
	p->groups = xreallocarray(p->groups, p->ngroups + 1, sizeof(*p->groups));
	p->group_of = xreallocarray(p->group_of, p->ngroups + 1, sizeof(struct handler *));
	p->groups[p->ngroups] = (struct pull_group){.limit = h->slots, .shut = !h->slots};
	p->group_of[p->ngroups] = h;
	return p->ngroups++;
}

static void make_metrics(struct served_lane *l)
{
	const char *help = "Executions by how they ended.";
	struct metric **counters[] = {&l->ok, &l->failed, &l->returned, &l->cancelled};
	const char *words[] = {"completed", "failed", "returned", "cancelled"};
	char labels[LANE_MAX + 64];

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		snprintf(labels, sizeof(labels), "lane=\"%s\",outcome=\"%s\"", l->lane.name, words[i]);
		*counters[i] = metric_counter("millrace_node_tasks_total", help, labels);
	}
	snprintf(labels, sizeof(labels), "lane=\"%s\"", l->lane.name);
	l->seconds = metric_histogram("millrace_node_task_seconds",
								  "From the start of a handler to its end.", labels);
	l->wait_seconds = metric_histogram(
		"millrace_node_wait_seconds",
		"From a task's submission, or when it was wished for, to its first start.", labels);
	l->completion_seconds = metric_histogram("millrace_node_completion_seconds",
											 "From a task's submission, or when it was wished for, "
											 "to the end of the attempt that completed it.",
											 labels);
}

void puller_close_consumers(struct puller *p, struct served_lane *l)
{
	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		if (l->consumers[k].pull && source_of(&l->consumers[k])->credits)
			puller_book_end(p, &l->consumers[k]);
		js_pull_close(&l->consumers[k].pull);
	}
	bus_unsubscribe(&l->wake);
}

/* Of a lane: its classes. Of this node's own queue: "n1", "n1--high", "n1--low". */
static void name_consumer(const struct puller *p, const struct served_lane *l,
						  enum task_class class, char out[TOKEN_MAX + 16])
{
	const char *name = task_class_name(class);

	if (!l->direct)
		snprintf(out, TOKEN_MAX + 16, "%s", name);
	else if (class == CLASS_NORMAL)
		snprintf(out, TOKEN_MAX + 16, "%s", p->node->config->name);
	else
		snprintf(out, TOKEN_MAX + 16, "%s--%s", p->node->config->name, name);
}

static int open_consumers(struct puller *p, struct served_lane *l, struct err *e)
{
	char stream[LANE_MAX + 8] = "DIRECT", wake[LANE_MAX + 16];

	if (!l->direct)
		snprintf(stream, sizeof(stream), "LANE_%s", l->lane.name);
	snprintf(wake, sizeof(wake), "wake.%s%s", l->direct ? "direct." : "",
			 l->direct ? p->node->config->name : l->lane.name);
	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		struct puller_consumer *c = &l->consumers[k];
		const struct js_pull_events ev = {puller_on_msg, puller_on_end, c};
		*c = (struct puller_consumer){.lane = l, .class = k, .absent = l->direct};
		name_consumer(p, l, k, c->name);
		if (js_pull_open(p->node->bus, stream, c->name, &ev, &c->pull, e))
			return e->code;
	}
	return bus_subscribe(p->node->bus, wake, NULL, puller_on_wake, l, &l->wake, e);
}

static void grow(struct puller *p, struct served_lane *l)
{
	size_t n = p->nlanes + 1;

	p->lanes = xreallocarray(p->lanes, n, sizeof(struct served_lane *));
	p->sources = xreallocarray(p->sources, n * CLASS_COUNT, sizeof(*p->sources));
	p->asks = xreallocarray(p->asks, n * CLASS_COUNT, sizeof(*p->asks));
	l->index = p->nlanes++;
	p->lanes[l->index] = l;
	for (unsigned k = 0; k < CLASS_COUNT; k++)
		p->sources[l->index * CLASS_COUNT + k] =
			(struct pull_source){.class = k, .group = l->group, .hinted = true};
}

/* Once nothing is outstanding; the last lane takes its place in the tables. */
void puller_remove_ended(struct puller *p, struct served_lane *l)
{
	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		if (source_of(&l->consumers[k])->credits)
			return;
	}
	puller_close_consumers(p, l);
	puller_limit(p, l->lane.name, NULL);
	if (l->lane_group) /* for the next lane that is limited */
		p->groups[l->lane_group] = (struct pull_group){.free = true};
	l->lane_group = 0;
	struct served_lane *last = p->lanes[--p->nlanes];
	if (last != l) {
		memcpy(&p->sources[l->index * CLASS_COUNT], &p->sources[last->index * CLASS_COUNT],
			   CLASS_COUNT * sizeof(*p->sources));
		p->lanes[l->index] = last;
		last->index = l->index;
	}
	log_info("lane left", LOG_S("lane", l->lane.name));
	served_lane_unref(l);
}

void puller_serve(struct puller *p, const struct lane *lane, struct handler *h)
{
	struct served_lane *l = find(p, lane->name);
	struct err e;

	if (l) { /* its handler is the same: a type has one as long as the node lives */
		l->removed = false;
		l->gone_until_ms = 0;
		puller_wanted(p);
		return;
	}
	if (p->nlanes == PULLER_LANES_MAX) {
		log_warn("too many lanes; this one is not served", LOG_S("lane", lane->name),
				 LOG_I("limit", PULLER_LANES_MAX));
		return;
	}
	l = xcalloc(1, sizeof(*l));
	l->lane = *lane;
	l->handler = h;
	l->puller = p;
	l->refs = 1;
	l->group = puller_group_for(p, h);
	l->consumers = xcalloc(CLASS_COUNT, sizeof(*l->consumers));
	make_metrics(l);
	grow(p, l);
	if (open_consumers(p, l, &e)) {
		log_error("cannot serve lane", LOG_S("lane", lane->name), LOG_S("error", e.text));
		l->removed = true;
		puller_remove_ended(p, l);
		return;
	}
	log_info("lane served", LOG_S("lane", lane->name), LOG_S("handler", h->kind->name));
	puller_wanted(p);
}

int puller_add_direct(struct puller *p, struct err *e)
{
	struct served_lane *l = xcalloc(1, sizeof(*l));

	l->direct = true;
	l->puller = p;
	l->refs = 1;
	l->consumers = xcalloc(CLASS_COUNT, sizeof(*l->consumers));
	grow(p, l);
	if (open_consumers(p, l, e)) {
		l->removed = true;
		puller_remove_ended(p, l);
		return e->code;
	}
	direct_woken(l);
	return 0;
}

struct served_lane *puller_add_stray(struct puller *p, const struct lane *lane, struct handler *h)
{
	struct served_lane *l = xcalloc(1, sizeof(*l));

	l->lane = *lane;
	l->handler = h;
	l->puller = p;
	l->refs = 1;
	l->group = h ? puller_group_for(p, h) : 0;
	make_metrics(l);
	DL_APPEND2(p->strays, l, stray_prev, stray_next);
	p->nstrays++;
	return l;
}

void puller_drop_stray(struct puller *p)
{
	struct served_lane *l = p->strays;

	DL_DELETE2(p->strays, l, stray_prev, stray_next);
	p->nstrays--;
	served_lane_unref(l);
}

void puller_drop(struct puller *p, const char *lane)
{
	struct served_lane *l = find(p, lane);

	if (!l || l->removed)
		return;
	l->removed = true;
	puller_remove_ended(p, l);
}

void puller_pause(struct puller *p, const char *lane, bool paused)
{
	struct served_lane *l = find(p, lane);

	if (!l || l->paused == paused)
		return;
	l->paused = paused;
	log_info(paused ? "lane paused" : "lane resumed", LOG_S("lane", lane));
	if (!paused)
		puller_seek(l);
	puller_wanted(p);
}

void puller_room(struct puller *p, const struct handler *h)
{
	for (unsigned i = 1; i < p->ngroups; i++) {
		if (p->group_of[i] != h)
			continue;
		p->groups[i].limit = h->slots;
		p->groups[i].shut = !h->slots;
	}
	direct_room(p);
	puller_wanted(p);
}

static unsigned lane_group_for(struct puller *p)
{
	unsigned i = 1;

	while (i < p->ngroups && !p->groups[i].free)
		i++;
	if (i == p->ngroups) {
		p->groups = xreallocarray(p->groups, p->ngroups + 1, sizeof(*p->groups));
		p->group_of = xreallocarray(p->group_of, p->ngroups + 1, sizeof(struct handler *));
		p->ngroups++;
	}
	p->groups[i] = (struct pull_group){0};
	p->group_of[i] = NULL;
	return i;
}

static void enter_running(void *data, struct run *r)
{
	struct served_lane *l = data;

	if (r->lane != l || r->finished)
		return;
	l->puller->groups[l->lane_group].running++;
	permits_enter_running(l->permits, r);
}

/* What runs and was asked for until now counts. */
static void begin_metering(struct puller *p, struct served_lane *l)
{
	l->lane_group = lane_group_for(p);
	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		struct pull_source *s = source_of(&l->consumers[k]);
		s->lane_group = l->lane_group;
		p->groups[l->lane_group].asked += s->credits;
	}
	l->permits = permits_get(&p->permits, p->node, l->lane.name);
	running_each_kept(p->node->running, enter_running, l);
}

void puller_limit(struct puller *p, const char *lane, const struct lane_setting *set)
{
	static const struct lane_setting nothing;
	struct served_lane *l = find(p, lane);

	if (!set)
		set = &nothing;
	if (!l || (!l->permits && !lane_setting_metered(set)))
		return;
	bool was = l->permits && permits_active(l->permits);
	if (!l->permits)
		begin_metering(p, l);
	struct pull_group *g = &p->groups[l->lane_group];
	permits_set(l->permits, set, g->running);
	/* A limit that can't be kept is a lane that is not served. */
	g = &p->groups[l->lane_group];
	g->metered = lane_setting_metered(set);
	g->limit = 0;
	if (was != g->metered) {
		p->nmetered += g->metered ? 1 : -1u;
		log_info(g->metered ? "lane limited" : "lane not limited any more", LOG_S("lane", lane));
	}
	puller_wanted(p);
}

void served_lane_ref(struct served_lane *l)
{
	l->refs++;
}

void served_lane_run_ended(struct served_lane *l)
{
	/* NULL: the puller closed before this run ended. */
	if (!l->puller)
		return;
	if (l->puller->groups[l->group].running)
		l->puller->groups[l->group].running--;
	if (l->lane_group && l->puller->groups[l->lane_group].running)
		l->puller->groups[l->lane_group].running--;
	direct_run_ended(l);
}

void served_lane_unref(struct served_lane *l)
{
	if (--l->refs)
		return;
	free(l->consumers);
	free(l);
}
