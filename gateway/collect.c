/*
 * Gathering everybody's metrics. It stands alone as the edge between who asks
 * over HTTP and who answers on NATS:
 *
 *	idle --collect--> asking (one ctl.metrics, an inbox; api.lane.list, api.node.list)
 *	     --everybody who was there last time, or 500 ms--> told, idle
 *
 * It goes well: whoever answered last time answers again, within milliseconds. Who is new answers
 * too late for that, perhaps: the inbox stays open until the next round, which waits for him. It fails in
 * parts: who was there and does not answer is told as millrace_up 0 for some minutes; lanes that are
 * not told in two seconds leave their families out; a broker that is away leaves our own metrics.
 */
#include "gateway/collect.h"

#include <math.h>
#include <stdio.h>

#include <uthash.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "gateway/derived.h"
#include "gateway/gateway.h"
#include "gateway/sla.h"
#include "gateway/traffic.h"

#define ANSWERS_MS 500
#define LANES_MS 1500 /* after that */
#define FORGET_MS INT64_C(300000)
#define FORGET_ROUNDS 3

/* A component that there is or was. */
struct known {
	char *key; /* component, instance */
	char *component, *instance;
	int64_t seen_ms;
	unsigned missed;  /* rounds since it answered */
	uint64_t round;   /* the last one that it answered whole */
	struct buf parts; /* of an answer in several messages, those that came */
	unsigned nparts;
	UT_hash_handle hh;
};

struct collect_waiter {
	collect_on_text on_text;
	void *data;
	struct collect_waiter *prev, *next;
};

struct collector {
	struct gateway *gateway;
	struct known *known;
	struct collect_waiter *waiters;
	struct bus_inbox *inbox; /* of the last round that asked */
	struct exposition *all;  /* NULL: no round is under way */
	struct timeout timeout;
	uint64_t round;
	int64_t began_ns;
	bool anybody; /* may answer: nobody was known when the round began */
	bool answers_over, overdue;
	bool asking_lanes, asking_nodes; /* also beyond the round that asked */
	json_t *lanes, *nodes;
	struct sla sla;
	struct metric *seconds, *broker_up, *compliance, *errors, *target, *window, *met, *not_met;
	struct metric *broken, *dropped, *refused, *missing;
};

static void look(struct collector *c);

/* ---- who there is ---- */

static struct known *known_of(struct collector *c, const char *component, const char *instance)
{
	CLEANUP(free_ptr) char *key = xasprintf("%s %s", component, instance);
	struct known *k;

	HASH_FIND_STR(c->known, key, k);
	if (k || HASH_COUNT(c->known) >= EXPOSITION_INSTANCES_MAX)
		return k;
	k = xcalloc(1, sizeof(*k));
	k->key = TAKE(key);
	k->component = xstrdup(component);
	k->instance = xstrdup(instance);
	HASH_ADD_KEYPTR(hh, c->known, k->key, strlen(k->key), k);
	return k;
}

static void forget(struct collector *c, struct known *k)
{
	HASH_DEL(c->known, k);
	buf_release(&k->parts);
	free(k->key);
	free(k->component);
	free(k->instance);
	free(k);
}

/* ---- answers ---- */

static void take(struct collector *c, struct known *k, const char *text, size_t len)
{
	struct err e;

	k->seen_ms = clock_mono_ms();
	k->missed = 0;
	k->round = c->round;
	if (!c->all) /* it came too late: the next round waits for it */
		return;
	if (exposition_add(c->all, k->component, k->instance, text, len, &e)) {
		metric_add(c->refused, 1);
		log_debug("metrics left out", LOG_S("why", e.text));
	}
}

static void on_answer(void *data, struct bus_msg **m)
{
	struct collector *c = data;
	struct service_metrics from;
	struct known *k;

	/* An older version does not say who it is. */
	if (!service_metrics_read(*m, &from)) {
		metric_add(c->refused, bus_msg_status(*m) == 0);
		return;
	}
	if (str_eq(from.component, service_component(c->gateway->service)) &&
		str_eq(from.instance, service_instance(c->gateway->service)))
		return; /* ourselves */
	if (!exposition_name_ok(from.component) || !exposition_name_ok(from.instance) ||
		!(k = known_of(c, from.component, from.instance))) {
		metric_add(c->refused, 1);
		return;
	}
	if (from.parts == 1) {
		take(c, k, bus_msg_data(*m), bus_msg_len(*m));
	} else {
		/* One sender's messages come in order; one that is missing is missing for good. */
		if (from.part == 1) {
			buf_reset(&k->parts);
			k->nparts = 0;
		}
		if (from.part != k->nparts + 1 || k->parts.len > EXPOSITION_BYTES_MAX)
			return;
		buf_add(&k->parts, bus_msg_data(*m), bus_msg_len(*m));
		k->nparts = from.part;
		if (from.part == from.parts) {
			take(c, k, k->parts.data, k->parts.len);
			buf_release(&k->parts);
		}
	}
	look(c);
}

static void on_lanes(void *data, const struct ask_answer *a)
{
	struct collector *c = data;

	c->asking_lanes = false;
	if (c->all && a->status == 200)
		c->lanes = json_incref((json_t *)(uintptr_t)a->json);
	look(c);
}

static void on_nodes(void *data, const struct ask_answer *a)
{
	struct collector *c = data;

	c->asking_nodes = false;
	if (c->all && a->status == 200)
		c->nodes = json_incref((json_t *)(uintptr_t)a->json);
	look(c);
}

/* ---- the text ---- */

static void set_own(struct collector *c)
{
	struct sla_totals before = c->sla.totals;
	struct exposition_stats stats = exposition_stats(c->all);
	int64_t now_ms = clock_mono_ms();

	sla_take(&c->sla, c->all, now_ms);
	metric_set(c->compliance, sla_compliance(&c->sla, now_ms));
	metric_set(c->errors, sla_errors(&c->sla, now_ms));
	metric_add(c->met, c->sla.totals.met - before.met);
	metric_add(c->not_met, c->sla.totals.completed - before.completed + c->sla.totals.dead -
							   before.dead - (c->sla.totals.met - before.met));
	metric_set(c->broker_up, bus_is_up(c->gateway->bus));
	metric_add(c->broken, (double)stats.broken);
	metric_add(c->dropped, (double)stats.dropped);
	metric_observe(c->seconds, (double)(clock_mono_ns() - c->began_ns) / (double)NS_PER_S);
}

/* Those who did not answer have one round more against them; who is long gone is forgotten. */
static void add_ups(struct collector *c, struct buf *out)
{
	const char *name = "millrace_up";
	struct known *k, *next;
	int64_t now_ms = clock_mono_ms();

	buf_printf(out,
			   "# HELP %s 1 where the instance told its metrics; 0 for some minutes after it "
			   "did last.\n# TYPE %s gauge\n",
			   name, name);
	exposition_begin(out, name, service_component(c->gateway->service),
					 service_instance(c->gateway->service), "");
	buf_add_str(out, "1\n");
	if (!c->inbox || !bus_is_up(c->gateway->bus)) /* nobody can be heard */
		return;
	HASH_ITER (hh, c->known, k, next) {
		bool up = k->round == c->round;

		if (!up && ++k->missed > FORGET_ROUNDS && now_ms - k->seen_ms > FORGET_MS) {
			forget(c, k);
			continue;
		}
		if (!up)
			metric_add(c->missing, 1);
		exposition_begin(out, name, k->component, k->instance, "");
		buf_add_str(out, up ? "1\n" : "0\n");
	}
}

static void finish(struct collector *c)
{
	CLEANUP(buf_release) struct buf own = {0}, out = {0};
	struct collect_waiter *w, *next, *all = TAKE(c->waiters);
	struct exposition *x = c->all;
	struct err e;

	timeout_stop(&c->timeout);
	set_own(c);
	c->all = NULL;
	traffic_look(c->gateway->http);
	metrics_render(&own);
	if (exposition_add(x, service_component(c->gateway->service),
					   service_instance(c->gateway->service), own.data, own.len, &e))
		metric_add(c->refused, 1);
	exposition_render(x, &out);
	derived_render(x, c->lanes, c->nodes, &out);
	add_ups(c, &out);
	exposition_free(x);
	json_decref(c->lanes);
	json_decref(c->nodes);
	c->lanes = c->nodes = NULL;
	DL_FOREACH_SAFE (all, w, next) {
		w->on_text(w->data, &out);
		free(w);
	}
}

/* ---- a round ---- */

/* Where nobody was known before, nobody tells who is still to come. */
static bool everybody_answered(const struct collector *c)
{
	for (const struct known *k = c->known; k; k = k->hh.next) {
		if (k->round != c->round && k->missed == 0)
			return false;
	}
	return !c->anybody;
}

static void look(struct collector *c)
{
	if (!c->all)
		return;
	if (!c->answers_over && !everybody_answered(c))
		return;
	if (c->overdue || (!c->asking_lanes && !c->asking_nodes))
		finish(c);
}

static void on_time(struct timeout *t)
{
	struct collector *c = container_of(t, struct collector, timeout);

	c->overdue = c->answers_over;
	c->answers_over = true;
	timeout_start(t, LANES_MS, on_time);
	look(c);
}

static void ask_everybody(struct collector *c)
{
	struct bus_out out = {.subject = "ctl.metrics", .data = ""};
	struct err e;

	bus_inbox_close(&c->inbox);
	if (!bus_is_up(c->gateway->bus))
		return;
	c->inbox = bus_inbox_open(c->gateway->bus, on_answer, c);
	out.reply = bus_inbox_address(c->inbox);
	if (bus_publish(c->gateway->bus, &out, &e)) {
		log_warn("components can't be asked for their metrics", LOG_S("why", e.text));
		return;
	}
	/* What a round before asked and has no answer to is not asked again. */
	if (!c->asking_lanes) {
		c->asking_lanes = true;
		ask(c->gateway, "api.lane.list", NULL, on_lanes, c);
	}
	if (!c->asking_nodes) {
		c->asking_nodes = true;
		ask(c->gateway, "api.node.list", NULL, on_nodes, c);
	}
}

void collect(struct collector *c, collect_on_text on_text, void *data)
{
	struct collect_waiter *w = xmalloc(sizeof(*w));

	*w = (struct collect_waiter){.on_text = on_text, .data = data};
	DL_APPEND(c->waiters, w);
	if (c->all)
		return;
	c->all = exposition_new();
	c->round++;
	c->began_ns = clock_mono_ns();
	c->overdue = false;
	c->anybody = !c->known;
	ask_everybody(c);
	/* Nobody can be asked: at the end of this turn, with what we have ourselves. */
	c->answers_over = !c->inbox;
	timeout_start(&c->timeout, c->inbox ? ANSWERS_MS : 0, on_time);
}

/* ---- life ---- */

static struct metric *refused_by(const char *reason)
{
	CLEANUP(free_ptr) char *labels = xasprintf("reason=\"%s\"", reason);

	return metric_counter("millrace_gateway_metrics_left_out_total",
						  "What /metrics left out: lines and series, answers, instances that did "
						  "not answer.",
						  labels);
}

struct collector *collector_new(struct gateway *g)
{
	struct collector *c = xcalloc(1, sizeof(*c));

	c->gateway = g;
	c->sla.target_s = (double)g->config.sla_target_ns / (double)NS_PER_S;
	c->sla.window_ms = g->config.sla_window_ns / NS_PER_MS;
	timeout_init(&c->timeout, bus_timeouts(g->bus));
	c->seconds = metric_histogram("millrace_gateway_collect_seconds",
								  "Time until everybody's metrics were there.", NULL);
	c->broker_up =
		metric_gauge("millrace_broker_up", "1 while this gateway is connected to NATS.", NULL);
	c->target = metric_gauge("millrace_sla_target_seconds",
							 "From a task's submission to its end, it is to take no longer.", NULL);
	c->window = metric_gauge("millrace_sla_window_seconds",
							 "The time over which the two ratios are taken.", NULL);
	c->compliance = metric_gauge("millrace_sla_compliance_ratio",
								 "Of the tasks that ended in the window (completed or dead), the "
								 "share that completed within the target; NaN: none ended.",
								 NULL);
	c->errors =
		metric_gauge("millrace_error_ratio",
					 "Of the tasks that ended in the window, the share that is dead.", NULL);
	c->met = metric_counter("millrace_sla_tasks_total", "Ended tasks that this gateway saw.",
							"met=\"yes\"");
	c->not_met = metric_counter("millrace_sla_tasks_total", "Ended tasks that this gateway saw.",
								"met=\"no\"");
	c->broken = refused_by("broken");
	c->dropped = refused_by("limit");
	c->refused = refused_by("answer");
	c->missing = refused_by("missing");
	metric_set(c->target, c->sla.target_s);
	metric_set(c->window, (double)c->sla.window_ms / 1000);
	return c;
}

void collector_free(struct collector **pc)
{
	struct collector *c = TAKE(*pc);
	struct known *k, *knext;

	if (!c)
		return;
	if (c->all)
		finish(c);
	bus_inbox_close(&c->inbox);
	HASH_ITER (hh, c->known, k, knext)
		forget(c, k);
	sla_release(&c->sla);
	free(c);
}
