/*
 * Batches for the store. It stands alone because it is the hot path's
 * second publish, and the place where many tasks become one message. A batch
 * is built by appending one-element records, which is what their
 * concatenation means in protobuf; it leaves at the end of the turn, or when
 * the next would not fit. EVENTS refusing for being full holds the batch and
 * stops the intake. A task's body goes with its first record, as far as it
 * fits; one that does not fit is left out, and its headers after it.
 */
#include "router/record.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/event.pb-c.h"
#include "router/dead.h"
#include "router/retry.h"

#define BATCH_TASKS_MAX 1000
#define BATCH_WANTED_BYTES \
	((size_t)256 << 10)  /* a batch is not filled beyond, unless one task needs it */
#define SLACK_BYTES 4096 /* headers and subject of the batch's message */
#define HEADERS_MAX 256  /* of one task, in its record */
#define HELD_BUF_MAX ((size_t)1 << 20)
#define DEADLINE_MS 10000 /* then: is the stream still there? */

enum kind { KIND_QUEUED, KIND_DONE, KIND_COUNT };
static const char *const subjects[] = {"events.queued", "events.done"};

struct batch {
	struct record *record;
	enum kind kind;
	struct buf data;
	struct transit *tasks; /* in one list by qprev, qnext */
	size_t n;
	uint64_t number;
	bool bare; /* bodies and headers were left out for good */
	struct hold_item hold;
	struct batch *prev, *next;
};

struct record {
	struct router *router;
	struct batch *all;
	struct batch *open[KIND_COUNT];
	struct buf scratch;
	uint64_t counter;
	bool deferred;
	Millrace__Header headers[HEADERS_MAX], *header_ptrs[HEADERS_MAX];
};

/* ---- a task's record ---- */

static char *text(const char *s)
{
	return s ? (char *)s : (char *)protobuf_c_empty_string;
}

static size_t add_headers(struct record *r, const struct submission *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nheaders && n < HEADERS_MAX; i++) {
		const struct bus_header *h = &s->headers[i];
		if (!header_passes(h->name, h->value) || !utf8_ok(h->value, strlen(h->value)))
			continue;
		r->headers[n] = (Millrace__Header)MILLRACE__HEADER__INIT;
		r->headers[n].name = (char *)h->name;
		r->headers[n].value = (char *)h->value;
		r->header_ptrs[n] = &r->headers[n];
		n++;
	}
	return n;
}

enum detail { WITH_BODY, WITH_HEADERS, BARE };

static void pack_queued(struct record *r, const struct transit *t, enum detail detail,
						struct buf *out)
{
	const struct submission *s = &t->sub;
	Millrace__Queued q = MILLRACE__QUEUED__INIT, *one = &q;
	Millrace__QueuedBatch batch = MILLRACE__QUEUED_BATCH__INIT;

	q.id = (char *)s->id;
	q.type = (char *)s->lane.type;
	q.lane = (char *)s->lane.name;
	q.state = s->due_wall_ns ? MILLRACE__STATE__STATE_SCHEDULED : MILLRACE__STATE__STATE_QUEUED;
	q.priority = (Millrace__Priority)s->class;
	q.attempt = s->attempt;
	q.attempts = s->attempts ? s->attempts : retry_rule_of(r->router, s).attempts;
	q.epoch = (uint64_t)s->epoch << 32;
	q.submitted_at = s->submitted_wall_ns;
	q.queued_at = clock_wall_ns();
	q.due_at = s->due_wall_ns;
	q.tasks_seq = s->sequence;
	q.lane_seq = t->lane_seq;
	q.timeout_ms = s->timeout_ns / NS_PER_MS;
	q.project = text(s->project);
	q.content_type = text(s->content_type);
	q.node = (char *)t->node;
	q.reason = text(t->waits_for);
	q.error = text(t->waits_for ? t->error : NULL);
	q.body_bytes = s->body_len;
	q.keep_ms = s->result_keep_ns == TASK_RESULT_NEVER
					? -1
					: MAX_OF(s->result_keep_ns / NS_PER_MS, s->result_keep_ns > 0);
	q.retry_of = text(s->retry_of);
	if (detail != BARE) {
		q.n_headers = add_headers(r, s);
		q.headers = r->header_ptrs;
	}
	if (detail == WITH_BODY) {
		q.body.data = (uint8_t *)s->body;
		q.body.len = s->body_len;
	}
	batch.n_tasks = 1;
	batch.tasks = &one;
	codec_pack(&batch.base, out);
}

static void pack_dead(const struct transit *t, struct buf *out)
{
	const struct submission *s = &t->sub;
	Millrace__Outcome o = MILLRACE__OUTCOME__INIT, *one = &o;
	Millrace__OutcomeBatch batch = MILLRACE__OUTCOME_BATCH__INIT;

	o.id = (char *)s->id;
	o.type = (char *)s->lane.type;
	o.lane = (char *)s->lane.name;
	o.state = t->cancelled ? MILLRACE__STATE__STATE_CANCELLED : MILLRACE__STATE__STATE_DEAD;
	o.attempt = s->attempt;
	/* Above any execution that this epoch had. */
	o.epoch = ((uint64_t)s->epoch + 1) << 32;
	o.node = text(t->burial.node);
	o.submitted_at = s->submitted_wall_ns;
	o.started_at = t->burial.started_wall_ns;
	o.finished_at = t->burial.finished_wall_ns;
	o.error = text(t->burial.error);
	o.reason = text(t->burial.reason);
	o.fingerprint = (char *)t->fingerprint;
	o.dead_seq = t->dead_seq;
	batch.n_outcomes = 1;
	batch.outcomes = &one;
	codec_pack(&batch.base, out);
}

static size_t room_max(const struct record *r)
{
	return bus_max_payload(r->router->bus) - SLACK_BYTES;
}

/* Into scratch: as much of it as one message may hold. */
static void pack_fitting(struct record *r, const struct transit *t, enum kind kind)
{
	const struct submission *s = &t->sub;
	/* What comes from elsewhere was recorded with its body before it could come. */
	bool first = t->origin == ORIGIN_TASKS || t->origin == ORIGIN_RUN;
	bool body = first && s->body_len <= (size_t)r->router->config.record_body_max_bytes &&
				s->body_len < room_max(r);

	buf_reset(&r->scratch);
	if (kind == KIND_DONE) {
		pack_dead(t, &r->scratch);
		return;
	}
	if (body)
		pack_queued(r, t, WITH_BODY, &r->scratch);
	if (!body || r->scratch.len > room_max(r)) {
		buf_reset(&r->scratch);
		pack_queued(r, t, WITH_HEADERS, &r->scratch);
	}
	if (r->scratch.len > room_max(r)) {
		buf_reset(&r->scratch);
		pack_queued(r, t, BARE, &r->scratch);
	}
}

/* ---- batches ---- */

static void send_batch(struct batch *b);

static void on_again(struct hold_item *item)
{
	send_batch(container_of(item, struct batch, hold));
}

static struct batch *batch_new(struct record *r, enum kind kind)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->record = r;
	b->kind = kind;
	b->hold.again = on_again;
	b->number = ++r->counter;
	DL_APPEND(r->all, b);
	return b;
}

static void batch_free(struct batch *b)
{
	DL_DELETE(b->record->all, b);
	buf_release(&b->data);
	free(b);
}

static void settle(struct batch *b)
{
	struct transit *t;

	while ((t = b->tasks)) {
		DL_DELETE2(b->tasks, t, qprev, qnext);
		if (b->kind == KIND_DONE)
			dead_tell(t);
		transit_done(&t);
	}
	batch_free(b);
}

/* The message was too large for the stream although it fitted the server: without bodies and
 * headers, then. */
static void strip(struct batch *b)
{
	struct transit *t;

	b->bare = true;
	b->number = ++b->record->counter;
	buf_reset(&b->data);
	DL_FOREACH2 (b->tasks, t, qnext) {
		if (b->kind == KIND_QUEUED)
			pack_queued(b->record, t, BARE, &b->data);
		else
			pack_dead(t, &b->data);
	}
}

static void refused(struct batch *b, const struct err *e)
{
	struct router *r = b->record->router;
	struct transit *t;

	if (e->code == ERR_TOO_LARGE && !b->bare) {
		strip(b);
		send_batch(b);
		return;
	}
	/*
	 * What came by events.act lies in EVENTS itself: were it acked only after this batch, an EVENTS
	 * full of it could never take the batch. A task that goes on is on its lane or in DELAYED by now,
	 * and its outcome will tell all that this record says. Of a dead one this is the last word: it
	 * keeps its place until the word is stored.
	 */
	if (e->code == ERR_FULL && b->kind == KIND_QUEUED) {
		DL_FOREACH2 (b->tasks, t, qnext) {
			if (t->origin == ORIGIN_ACT)
				transit_ack(t);
		}
	}
	hold_put(&r->events_full, &b->hold, e);
}

static void on_puback(void *data, const struct js_puback *ack UNUSED, const struct err *e)
{
	struct batch *b = data;
	struct router *r = b->record->router;

	if (e && (e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE)) {
		send_batch(b);
		return;
	}
	if (e) {
		refused(b, e);
		return;
	}
	hold_clear(&r->events_full);
	settle(b);
}

static void send_batch(struct batch *b)
{
	struct router *r = b->record->router;
	char msg_id[48];
	struct err e;

	snprintf(msg_id, sizeof(msg_id), "%s-%llu", r->instance, (unsigned long long)b->number);
	struct bus_header headers[] = {{"Nats-Msg-Id", msg_id}, {"Content-Type", CONTENT_PROTOBUF}};
	struct bus_out out = {.subject = subjects[b->kind],
						  .data = b->data.data,
						  .len = b->data.len,
						  .headers = headers,
						  .nheaders = ARRAY_LEN(headers)};
	if (js_publish(r->bus, &out, DEADLINE_MS, on_puback, b, &e))
		refused(b, &e);
}

static void flush(struct record *r, enum kind kind)
{
	struct batch *b = TAKE(r->open[kind]);

	if (b)
		send_batch(b);
}

static void on_turn_end(void *data)
{
	struct record *r = data;

	r->deferred = false;
	for (int k = 0; k < KIND_COUNT; k++)
		flush(r, (enum kind)k);
	if (r->scratch.cap > HELD_BUF_MAX)
		buf_release(&r->scratch);
}

static void add(struct record *r, struct transit *t, enum kind kind)
{
	struct batch *b = r->open[kind];

	pack_fitting(r, t, kind);
	if (b && (b->data.len + r->scratch.len > BATCH_WANTED_BYTES || b->n >= BATCH_TASKS_MAX))
		flush(r, kind);
	if (!r->open[kind])
		r->open[kind] = batch_new(r, kind);
	b = r->open[kind];
	buf_add(&b->data, r->scratch.data, r->scratch.len);
	DL_APPEND2(b->tasks, t, qprev, qnext);
	b->n++;
	if (!r->deferred)
		bus_defer(r->router->bus, on_turn_end, r);
	r->deferred = true;
}

void record_queued(struct record *r, struct transit *t)
{
	t->sub.due_wall_ns = 0;
	t->waits_for = NULL;
	add(r, t, KIND_QUEUED);
}

void record_scheduled(struct record *r, struct transit *t)
{
	add(r, t, KIND_QUEUED);
}

void record_dead(struct record *r, struct transit *t)
{
	add(r, t, KIND_DONE);
}

void record_cancelled(struct record *r, struct transit *t)
{
	t->cancelled = true;
	add(r, t, KIND_DONE);
}

struct record *record_new(struct router *r)
{
	struct record *rec = xcalloc(1, sizeof(*rec));

	rec->router = r;
	return rec;
}

void record_free(struct record **pr)
{
	struct record *r = TAKE(*pr);

	if (!r)
		return;
	while (r->all)
		batch_free(r->all);
	buf_release(&r->scratch);
	free(r);
}
