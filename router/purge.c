/*
 * One lane being emptied.
 *
 *   TAKING ──the three consumers have nothing (more) up to the mark──▶ LOOKING
 *     ▲                                                                  │
 *     └── something may come again: RESTING for a second ◀───────────────┤
 *                                          nothing can, or was seen for QUIET_MS
 *                                                                        ▼
 *                                                    the setting says so ─▶ (freed)
 *
 * Well: the lane's own durables are read like by a node, each task becomes an
 * events.done CANCELLED in the record's batches, and is acked when that is
 * stored: so a task is either still on its lane or cancelled in the table, and
 * a purge may be broken off anywhere. What came after the mark is handed back.
 * Badly: EVENTS is full or the broker away; then it waits as all of the router
 * does. A router that was killed in the midst leaves deliveries that come
 * again after their ack_wait: as long as anything of the lane is unacked the
 * end waits until nothing came for longer than that. (What nodes run is
 * unacked too, and is not touched.)
 */
#include "router/purge.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/task.h"
#include "router/feed.h"
#include "router/inbox.h"
#include "router/record.h"
#include "router/setting.h"
#include "router/transit.h"

#define BATCH 500
#define MAX_BYTES ((size_t)4 << 20)
#define QUIET_MS 10000 /* over the lanes' ack_wait of 8 s */
#define REST_MS 1000
#define TELL_MS 1000 /* the count in the setting */

struct purge;

struct purge_class {
	struct purge *purge;
	struct feed *feed;
	bool over; /* nothing more, or only what came later */
};

struct purge {
	struct router *router;
	struct lane_entry *lane;
	uint64_t upto;
	struct purge_class class[CLASS_COUNT];
	unsigned held;        /* tasks between delivery and ack */
	uint64_t done, told;  /* tasks; those that the setting's count has */
	int64_t last_mono_ms; /* something came */
	bool looking, telling, counted, ended;
	uint64_t telling_n;
	struct purge *prev, *next; /* in router->purges */
	struct timeout timeout, tell;
};

static void look(struct purge *p);
static void on_rested(struct timeout *t);

/* ---- the count, and the end, in the setting ---- */

static json_t *part_of(json_t *setting, const char *name, const struct purge *p)
{
	json_t *part = json_object_get(setting, name);
	json_int_t upto = json_integer_value(json_object_get(part, "upto"));

	return json_is_object(part) && (uint64_t)upto == p->upto ? part : NULL;
}

static bool add_count(void *data, json_t *setting)
{
	struct purge *p = data;
	json_t *part = part_of(setting, "purge", p);

	/* Another router may have said that it is over, and this was missing. */
	if (!part)
		part = part_of(setting, "purged", p);
	p->counted = part != NULL;
	if (!part)
		return false;
	json_int_t before = json_integer_value(json_object_get(part, "cancelled"));
	json_object_set_new(part, "cancelled", json_integer(before + (json_int_t)p->telling_n));
	return true;
}

static void on_told(void *data, const json_t *setting UNUSED, const struct err *e)
{
	struct purge *p = data;

	struct lane_entry *l = p->lane;
	uint64_t upto = p->upto;

	p->telling = false;
	if (!e && p->counted)
		p->told += p->telling_n;
	if (!p->ended) {
		look(p);
		return;
	}
	p->ended = e != NULL; /* then it is looked at again, and said again */
	if (e) {
		timeout_start(&p->timeout, REST_MS, on_rested);
		return;
	}
	lane_ref(l);
	purge_free(&l->purge);
	/* Asked for again while this one was being ended. */
	if (l->set.purge_upto > upto)
		purge_begin(l);
	lane_unref(&l);
}

static void tell_count(struct purge *p)
{
	p->telling = true;
	p->telling_n = p->done - p->told;
	setting_change(p->router, p->lane->lane.name, add_count, on_told, p);
}

static bool say_over(void *data, json_t *setting)
{
	struct purge *p = data;
	json_t *part = part_of(setting, "purge", p);

	if (!part)
		return add_count(data, setting);
	add_count(data, setting);
	json_object_set(setting, "purged", part);
	json_object_del(setting, "purge");
	return true;
}

static void finish(struct purge *p)
{
	log_info("lane purged", LOG_S("lane", p->lane->lane.name), LOG_I("cancelled_here", p->done));
	p->ended = true;
	p->telling = true;
	p->telling_n = p->done - p->told;
	setting_change(p->router, p->lane->lane.name, say_over, on_told, p);
}

static void on_tell(struct timeout *t)
{
	struct purge *p = container_of(t, struct purge, tell);

	timeout_start(t, TELL_MS, on_tell);
	if (!p->telling && !p->looking && !p->ended && p->done > p->told)
		tell_count(p);
}

/* ---- is it over? ---- */

static void on_rested(struct timeout *t)
{
	struct purge *p = container_of(t, struct purge, timeout);

	for (int k = 0; k < CLASS_COUNT; k++) {
		p->class[k].over = false;
		feed_poke(p->class[k].feed);
	}
}

static void on_consumers(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct purge *p = data;
	json_int_t unacked = 0;
	bool left = false;
	size_t i;
	json_t *c;

	p->looking = false;
	if (e && server_code == JS_ERR_STREAM_NOT_FOUND) {
		finish(p);
		return;
	}
	json_array_foreach (json_object_get(reply, "consumers"), i, c) {
		json_t *delivered = json_object_get(c, "delivered");
		json_int_t seq = json_integer_value(json_object_get(delivered, "stream_seq"));
		unacked += json_integer_value(json_object_get(c, "num_ack_pending"));
		left = left || (json_integer_value(json_object_get(c, "num_pending")) > 0 &&
						(uint64_t)seq < p->upto);
	}
	bool quiet = unacked == 0 || clock_mono_ms() - p->last_mono_ms >= QUIET_MS;
	if (!e && !left && quiet && p->held == 0)
		finish(p);
	else
		timeout_start(&p->timeout, left ? 1 : REST_MS, on_rested);
}

static void look(struct purge *p)
{
	struct err e;

	for (int k = 0; k < CLASS_COUNT; k++) {
		if (!p->class[k].over)
			return;
	}
	if (p->held > 0 || p->looking || p->telling || p->ended || timeout_running(&p->timeout))
		return;
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.LIST.LANE_%s", p->lane->lane.name);
	if (js_api(p->router->bus, verb, NULL, on_consumers, p, &e))
		timeout_start(&p->timeout, REST_MS, on_rested);
	else
		p->looking = true;
}

/* ---- its tasks ---- */

void purge_let_go(struct purge *p)
{
	p->held--;
	p->done++;
	look(p);
}

static void fill(struct transit *t, const struct lane *lane, enum task_class class,
				 const struct js_meta *meta)
{
	struct submission *s = &t->sub;
	struct task facts = {0};
	size_t n;
	const struct bus_header *h = bus_msg_headers(t->msg, &n);
	struct err e;

	s->lane = *lane;
	s->class = class;
	/* What a stranger put there wrongly: what was read until then has to do. */
	if (task_read_headers(h, n, &facts, &e))
		log_warn("a task that is purged is not readable", LOG_S("lane", lane->name),
				 LOG_S("why", e.text));
	if (facts.id && task_id_ok(facts.id, strlen(facts.id)))
		snprintf(s->id, sizeof(s->id), "%s", facts.id);
	else /* as a node would call it */
		snprintf(s->id, sizeof(s->id), "stray-%lld-%llu",
				 (long long)(meta->stored_wall_ns / NS_PER_S),
				 (unsigned long long)meta->stream_seq);
	s->attempt = MAX_OF(facts.attempt, 1);
	s->epoch = facts.epoch;
	s->submitted_wall_ns = facts.submitted_wall_ns;
	s->reply_to = facts.reply_to;
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct purge_class *c = data;
	struct purge *p = c->purge;
	struct router *r = p->router;

	if (meta->stream_seq > p->upto) {
		c->over = true;
		js_nak(r->bus, bus_msg_reply(*m), REST_MS); /* not into the same request */
		return;
	}
	struct transit *t = transit_new(r, ORIGIN_PURGE, m);
	p->last_mono_ms = clock_mono_ms();
	p->held++;
	t->purge = p;
	fill(t, &p->lane->lane, (enum task_class)(c - p->class), meta);
	t->lane_seq = meta->stream_seq;
	t->burial.reason = "purged";
	t->error = xasprintf("lane %s was purged", p->lane->lane.name);
	t->burial.error = t->error;
	t->burial.finished_wall_ns = clock_wall_ns();
	transit_count(t);
	record_cancelled(r->record, t);
}

static bool on_empty(void *data)
{
	struct purge_class *c = data;

	c->over = true;
	look(c->purge);
	return true;
}

static unsigned room(void *data)
{
	const struct purge_class *c = data;

	return c->over || c->purge->ended ? 0 : inbox_room(c->purge->router);
}

static void poke(struct purge *p)
{
	for (int k = 0; k < CLASS_COUNT; k++) {
		if (!p->class[k].over)
			feed_poke(p->class[k].feed);
	}
}

void purge_poke_all(struct router *r)
{
	struct purge *p;

	DL_FOREACH (r->purges, p)
		poke(p);
}

/* ---- begin and end ---- */

static int open_class(struct purge *p, enum task_class class, struct err *e)
{
	struct purge_class *c = &p->class[class];
	CLEANUP(free_ptr) char *stream = xasprintf("LANE_%s", p->lane->lane.name);
	struct feed_config config = {
		.stream = stream,
		.consumer = task_class_name(class),
		.batch = BATCH,
		.expires_ms = 0,
		.max_bytes = MAX_BYTES,
		.room = room,
		.on_msg = on_msg,
		.on_empty = on_empty,
		.on_lost = on_empty,
		.data = c,
	};

	c->purge = p;
	return feed_open(p->router, &config, &c->feed, e);
}

void purge_begin(struct lane_entry *l)
{
	struct router *r = l->router;
	struct err e;

	if (l->purge) {
		/* Asked for again, of more. */
		if (!l->purge->ended)
			l->purge->upto = MAX_OF(l->purge->upto, l->set.purge_upto);
		return;
	}
	struct purge *p = xcalloc(1, sizeof(*p));
	p->router = r;
	p->lane = l;
	p->upto = l->set.purge_upto;
	p->last_mono_ms = clock_mono_ms();
	timeout_init(&p->timeout, r->timeouts);
	timeout_init(&p->tell, r->timeouts);
	lane_ref(l);
	l->purge = p;
	DL_APPEND(r->purges, p);
	for (int k = 0; k < CLASS_COUNT; k++) {
		if (open_class(p, (enum task_class)k, &e)) {
			log_error("a lane can't be purged", LOG_S("lane", l->lane.name), LOG_S("why", e.text));
			purge_free(&l->purge);
			return;
		}
	}
	log_info("lane is being purged", LOG_S("lane", l->lane.name), LOG_I("upto", p->upto));
	timeout_start(&p->tell, TELL_MS, on_tell);
	poke(p);
}

void purge_free(struct purge **pp)
{
	struct purge *p = TAKE(*pp);

	if (!p)
		return;
	for (int k = 0; k < CLASS_COUNT; k++)
		feed_close(&p->class[k].feed);
	timeout_stop(&p->timeout);
	timeout_stop(&p->tell);
	struct lane_entry *l = p->lane;
	DL_DELETE(p->router->purges, p);
	free(p);
	lane_unref(&l);
}
