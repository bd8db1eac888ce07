/*
 * Batches form by themselves: outcomes of one turn of the loop leave
 * together at its end when nothing is on its way; while a batch waits for its
 * PubAck the next ones gather, and leave with that PubAck, or as a further
 * batch when they are many. So a lone outcome leaves in the turn it is done,
 * and a busy node sends few messages.
 *
 * Well: published, PubAck, lane's message acknowledged, result told, freed.
 * Badly: the broker is away: the publish repeats itself until it is back,
 * under the same id. EVENTS refuses (it is full): everything is held and
 * offered again, ever slower up to five seconds; what waits is bounded by the
 * slots' count of unsettled outcomes, which stops the pulling. A batch or a
 * result that the broker calls too large is taken apart; a single one that is
 * too large becomes a failure that says so.
 */
#include "node/report.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "node/act_headers.h"
#include "node/event.h"
#include "node/outcome_batch.h"
#include "node/result.h"
#include "node/result_object.h"
#include "node/running.h"

struct batch {
	struct reporter *reporter;
	struct run *runs;
	size_t n;
	struct buf bytes;
	char id[EVENT_ID_MAX];
	struct batch *prev, *next;
};

struct reporter {
	struct node *node;
	struct run *gathered;
	size_t ngathered, gathered_bytes;
	struct batch *flying, *refused;
	unsigned nflying;
	struct run *acts, *refused_acts;
	int64_t hold_ms; /* how long the last hold was; 0 once EVENTS took something */
	bool holding, flush_due, closed;
	struct timeout timeout;
	struct metric *batches, *refusals;
};

static void flush(struct reporter *p);

/* ---- while EVENTS refuses ---- */

static void on_hold_over(struct timeout *t);

static void hold(struct reporter *p, const struct err *e)
{
	metric_add(p->refusals, 1);
	if (p->holding)
		return;
	p->holding = true;
	p->hold_ms = MIN_OF(MAX_OF(p->hold_ms * 2, REPORT_HOLD_FIRST_MS), REPORT_HOLD_MAX_MS);
	log_warn("outcomes are not taken; they wait and are offered again", LOG_S("error", e->text),
			 LOG_I("retry_ms", p->hold_ms), LOG_I("waiting", p->node->slots.unsettled));
	timeout_start(&p->timeout, p->hold_ms, on_hold_over);
}

static void taken(struct reporter *p)
{
	if (p->hold_ms && !p->holding) {
		log_info("outcomes are taken again", LOG_I("waiting", p->node->slots.unsettled));
		p->hold_ms = 0;
	}
}

/* Whether the lane's message may still be acknowledged: not when it was kept too late. */
static void settle(struct run *r, int64_t now_ms)
{
	struct node *n = r->node;

	if (now_ms - r->kept_ms > RUN_ACK_WAIT_MS)
		r->stale = true;
	FAILPOINT("node.stored");
	if (!r->stale)
		js_ack(n->bus, bus_msg_reply(r->msg));
	if (r->outcome == RESULT_OK)
		result_tell(r);
	run_settle(r);
}

/* ---- successes ---- */

static void describe(const struct run *r, Millrace__Outcome *o)
{
	const char *content_type = r->content_type ? r->content_type
							   : r->borrowed   ? r->task.content_type
											   : NULL;

	millrace__outcome__init(o);
	o->id = (char *)r->task.id;
	o->type = (char *)r->lane->lane.type;
	o->lane = (char *)r->lane->lane.name;
	o->state = r->stop == RUN_CANCELLED ? MILLRACE__STATE__STATE_CANCELLED
										: MILLRACE__STATE__STATE_COMPLETED;
	if (r->stop == RUN_CANCELLED) {
		o->error = r->error;
		o->reason = (char *)r->reason;
	}
	o->attempt = r->task.attempt;
	o->epoch = r->epoch;
	o->node = (char *)r->node->config->name;
	o->submitted_at = r->task.submitted_wall_ns;
	o->started_at = r->started_wall_ns;
	o->finished_at = r->finished_wall_ns;
	o->lane_seq = r->lane_seq;
	o->deliveries = r->deliveries;
	if (content_type)
		o->content_type = (char *)content_type;
	o->result.data = r->data;
	o->result.len = r->len;
	if (r->result_object)
		o->result_object = r->result_object;
	o->result_bytes = r->result_bytes;
}

static void free_batch(struct batch *b)
{
	buf_release(&b->bytes);
	free(b);
}

static void fly(struct reporter *p, struct batch *b);

/* Every outcome of it alone; one that is alone already becomes a failure. */
static void take_apart(struct reporter *p, struct batch *b)
{
	struct run *r = b->runs;

	if (b->n == 1) {
		char words[120];
		DL_DELETE(b->runs, r);
		free_batch(b);
		if (!r->result_object) {
			result_object_put(r);
			return;
		}
		snprintf(words, sizeof(words), "the outcome is larger than the broker takes");
		run_fail_instead(r, "error", words);
		report_failure(p, r);
		return;
	}
	while ((r = b->runs)) {
		struct batch *one = xcalloc(1, sizeof(*one));
		Millrace__Outcome o;
		DL_DELETE(b->runs, r);
		one->reporter = p;
		DL_APPEND(one->runs, r);
		one->n = 1;
		describe(r, &o);
		(void)!outcome_batch_add(&one->bytes, &o, 0);
		event_id(p->node, one->id);
		fly(p, one);
	}
	free_batch(b);
}

static void refused(struct reporter *p, struct batch *b, const struct err *e)
{
	if (e->code == ERR_TOO_LARGE) {
		take_apart(p, b);
		return;
	}
	DL_APPEND(p->refused, b);
	hold(p, e);
}

static void on_batch(void *data, const struct js_puback *ack, const struct err *e)
{
	struct batch *b = data;
	struct reporter *p = b->reporter;

	(void)ack;
	DL_DELETE(p->flying, b);
	p->nflying--;
	if (e) {
		refused(p, b, e);
		return;
	}
	taken(p);
	int64_t now_ms = clock_mono_ms();
	while (b->runs) {
		struct run *r = b->runs;
		DL_DELETE(b->runs, r);
		settle(r, now_ms);
	}
	free_batch(b);
	flush(p);
}

static void fly(struct reporter *p, struct batch *b)
{
	struct err e;

	if (event_publish(p->node, "events.done", b->id, b->bytes.data, b->bytes.len, 0, on_batch, b,
					  &e)) {
		refused(p, b, &e);
		return;
	}
	metric_add(p->batches, 1);
	DL_APPEND(p->flying, b);
	p->nflying++;
}

static void send_batch(struct reporter *p)
{
	struct batch *b = xcalloc(1, sizeof(*b));
	Millrace__Outcome o;

	b->reporter = p;
	while (p->gathered) {
		struct run *r = p->gathered;
		describe(r, &o);
		if (!outcome_batch_add(&b->bytes, &o, REPORT_BATCH_BYTES))
			break;
		DL_DELETE(p->gathered, r);
		p->ngathered--;
		p->gathered_bytes -= r->len;
		r->place = RUN_IN_BATCH;
		DL_APPEND(b->runs, r);
		b->n++;
	}
	event_id(p->node, b->id);
	fly(p, b);
}

static void flush(struct reporter *p)
{
	while (p->gathered && !p->holding && p->nflying < REPORT_BATCHES_MAX) {
		bool many = p->ngathered >= REPORT_GATHER_MAX || p->gathered_bytes >= REPORT_GATHER_BYTES;
		if (p->nflying && !many)
			return;
		send_batch(p);
	}
}

static void flush_due(void *data)
{
	struct reporter *p = data;

	p->flush_due = false;
	if (!p->closed)
		flush(p);
}

void report_success(struct reporter *p, struct run *r)
{
	FAILPOINT("node.finished");
	r->place = RUN_GATHERED;
	DL_APPEND(p->gathered, r);
	p->ngathered++;
	p->gathered_bytes += r->len;
	if (p->flush_due)
		return;
	p->flush_due = true;
	bus_defer(p->node->bus, flush_due, p);
}

/* ---- failures ---- */

static void send_act(struct reporter *p, struct run *r);

static void refused_act(struct reporter *p, struct run *r, const struct err *e)
{
	DL_DELETE(p->acts, r);
	if (e->code == ERR_TOO_LARGE || e->code == ERR_INVALID) {
		/* Nothing shortens it; the lane keeps it, and its deliveries are counted there. */
		log_error("a failure can't be reported; the task stays on its lane",
				  LOG_S("task", r->task.id), LOG_S("lane", r->lane->lane.name),
				  LOG_S("error", e->text));
		if (!r->stale)
			js_nak(p->node->bus, bus_msg_reply(r->msg), 60000);
		run_settle(r);
		return;
	}
	DL_APPEND(p->refused_acts, r);
	hold(p, e);
}

static void on_act(void *data, const struct js_puback *ack, const struct err *e)
{
	struct run *r = data;
	struct reporter *p = r->node->reporter;

	(void)ack;
	if (e) {
		refused_act(p, r, e);
		return;
	}
	taken(p);
	DL_DELETE(p->acts, r);
	settle(r, clock_mono_ms());
}

static void send_act(struct reporter *p, struct run *r)
{
	size_t n;
	const struct bus_header *original = bus_msg_headers(r->msg, &n);
	CLEANUP(free_ptr) struct bus_header *h = xcalloc(n + ACT_HEADERS_MAX_ADDED, sizeof(*h));
	struct act_text text;
	struct err e;
	const struct act a = {
		.id = r->task.id,
		.type = r->lane->lane.type,
		.node = p->node->config->name,
		.lane = r->lane->lane.name,
		.reason = r->reason,
		.error = r->error,
		.version = r->h.handler ? r->h.handler->version : NULL,
		.attempt = r->task.attempt,
		.epoch = r->epoch,
		.returned = r->outcome == RESULT_RETURNED,
		.permanent = r->permanent,
		.retry_after_ns = r->retry_after_ns,
		.started_wall_ns = r->started_wall_ns,
		.finished_wall_ns = r->finished_wall_ns,
	};
	const struct bus_out out = {
		.subject = "events.act",
		.data = bus_msg_data(r->msg),
		.len = bus_msg_len(r->msg),
		.headers = h,
		.nheaders = act_headers(&a, original, n, &text, h),
	};

	FAILPOINT("node.failed");
	DL_APPEND(p->acts, r);
	if (js_publish(p->node->bus, &out, 0, on_act, r, &e))
		refused_act(p, r, &e);
}

void report_failure(struct reporter *p, struct run *r)
{
	if (clock_mono_ms() - r->kept_ms > RUN_ACK_WAIT_MS)
		r->stale = true;
	if (r->stale) {
		log_warn("not reported: this node was stopped, the task runs elsewhere by now",
				 LOG_S("task", r->task.id), LOG_S("lane", r->lane->lane.name));
		run_settle(r);
		return;
	}
	r->place = RUN_ACT;
	if (p->holding)
		DL_APPEND(p->refused_acts, r);
	else
		send_act(p, r);
}

/* ---- life ---- */

static void on_hold_over(struct timeout *t)
{
	struct reporter *p = container_of(t, struct reporter, timeout);
	struct batch *batches = TAKE(p->refused);
	struct run *acts = TAKE(p->refused_acts);

	p->holding = false;
	while (batches) {
		struct batch *b = batches;
		DL_DELETE(batches, b);
		fly(p, b);
	}
	while (acts) {
		struct run *r = acts;
		DL_DELETE(acts, r);
		report_failure(p, r);
	}
	flush(p);
}

struct reporter *reporter_open(struct node *n)
{
	struct reporter *p = xcalloc(1, sizeof(*p));

	p->node = n;
	timeout_init(&p->timeout, bus_timeouts(n->bus));
	p->batches = metric_counter("millrace_node_outcome_batches_total",
								"Messages sent to events.done.", NULL);
	p->refusals = metric_counter("millrace_node_outcome_refusals_total",
								 "Outcomes or batches that EVENTS refused.", NULL);
	return p;
}

static void free_reporter(void *data)
{
	free(data);
}

void reporter_close(struct reporter **pp)
{
	struct reporter *p = TAKE(*pp);
	struct batch *b, *next;

	if (!p)
		return;
	DL_FOREACH_SAFE(p->flying, b, next)
	free_batch(b);
	DL_FOREACH_SAFE(p->refused, b, next)
	free_batch(b);
	timeout_stop(&p->timeout);
	p->closed = true;
	bus_defer(p->node->bus, free_reporter, p); /* behind a flush that may be due */
}
