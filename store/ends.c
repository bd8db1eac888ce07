/*
 * Rows of tasks that are not to run become outcomes on events.done. It stands
 * alone as the one place where the store speaks on that subject: a cancelled
 * task ends by the same road as any other, so it is as durable, any store may
 * write it, and the first end that is stored wins.
 *
 * It goes well: one message for up to a thousand, PubAck, and those who listen
 * on results.<type>.<id> are told. It fails: EVENTS refuses or is away; the
 * caller is told, and the markers stand: whoever meets the task ends it.
 */
#include <stdio.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/task.h"
#include "event.pb-c.h"
#include "store/arena.h"
#include "store/control_internal.h"

#define ENDS_MAX 1000u

struct ends {
	struct order order;
	struct arena arena;
	Millrace__Outcome *all[ENDS_MAX];
	size_t n;
	bool tell;
	void (*on_done)(void *data, const struct err *e);
	void *data;
};

static void free_ends(struct order *o)
{
	struct ends *x = container_of(o, struct ends, order);
	arena_release(&x->arena);
	free(x);
}

struct ends *ends_new(struct control *c)
{
	struct ends *x = xcalloc(1, sizeof(*x));
	order_begin(c, &x->order, NULL, free_ends);
	return x;
}

size_t ends_count(const struct ends *x)
{
	return x->n;
}

void ends_free(struct ends **px)
{
	struct ends *x = TAKE(*px);
	if (x != NULL) {
		order_end(&x->order);
	}
}

static char *text(struct ends *x, struct pg_rows rows, size_t row, enum ends_column col)
{
	return arena_strdup(&x->arena, pg_get(rows, row, col, NULL));
}

void ends_add(struct ends *x, struct pg_rows rows, size_t row, const char *by)
{
	if (x->n == ENDS_MAX) {
		return;
	}
	char words[CONTROL_BY_MAX + 64];
	bool ran = pg_get_int(rows, row, EC_STATE) == MILLRACE__STATE__STATE_RUNNING;
	snprintf(words, sizeof(words), "it was cancelled %s%s%.*s",
			 ran ? "while it ran" : "before it ran", by[0] != '\0' ? " by " : "", CONTROL_BY_MAX,
			 by);
	Millrace__Outcome *o = arena_alloc(&x->arena, sizeof(*o));
	millrace__outcome__init(o);
	o->id = text(x, rows, row, EC_ID);
	o->type = text(x, rows, row, EC_TYPE);
	o->lane = text(x, rows, row, EC_LANE);
	o->node = text(x, rows, row, EC_NODE);
	o->state = MILLRACE__STATE__STATE_CANCELLED;
	o->attempt = (uint32_t)pg_get_int(rows, row, EC_ATTEMPT);
	o->epoch = (uint64_t)pg_get_int(rows, row, EC_EPOCH);
	o->submitted_at = pg_get_time(rows, row, EC_SUBMITTED);
	o->started_at = pg_get_time(rows, row, EC_STARTED);
	o->finished_at = clock_wall_ns();
	o->reason = arena_strdup(&x->arena, "cancelled");
	o->error = arena_strdup(&x->arena, words);
	x->all[x->n++] = o;
}

static void tell(struct control *c, const Millrace__Outcome *o)
{
	char subject[TOKEN_MAX + TASK_ID_MAX + 16];
	struct bus_header headers[] = {{H_TASK_ID, o->id},
								   {"Task-State", "cancelled"},
								   {"Nats-Service-Error-Code", "409"},
								   {"Nats-Service-Error", o->error}};
	struct bus_out out = {.subject = subject, .headers = headers, .nheaders = ARRAY_LEN(headers)};
	struct err ignored; /* a live tap: the row is the record */
	if (!token_ok(o->type, strlen(o->type))) {
		return;
	}
	snprintf(subject, sizeof(subject), "results.%s.%s", o->type, o->id);
	(void)!bus_publish(c->bus, &out, &ignored);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct ends *x = data;
	(void)ack;
	for (size_t i = 0; e == NULL && x->tell && i < x->n; i++) {
		tell(x->order.control, x->all[i]);
	}
	x->on_done(x->data, e);
	order_end(&x->order);
}

void ends_publish(struct ends **px, bool tell_results,
				  void (*on_done)(void *data, const struct err *e), void *data)
{
	struct ends *x = TAKE(*px);
	struct control *c = x->order.control;
	CLEANUP(buf_release) struct buf body = {0};
	Millrace__OutcomeBatch batch = MILLRACE__OUTCOME_BATCH__INIT;
	char msg_id[48];
	struct err e;
	batch.n_outcomes = x->n;
	batch.outcomes = x->all;
	codec_pack(&batch.base, &body);
	x->tell = tell_results;
	x->on_done = on_done;
	x->data = data;
	snprintf(msg_id, sizeof(msg_id), "%s-c%llu", c->instance, (unsigned long long)++c->counter);
	struct bus_header headers[] = {{H_MSG_ID, msg_id}, {H_CONTENT_TYPE, CONTENT_PROTOBUF}};
	struct bus_out out = {.subject = "events.done",
						  .data = body.data,
						  .len = body.len,
						  .headers = headers,
						  .nheaders = ARRAY_LEN(headers)};
	if (js_publish(c->bus, &out, CONTROL_PUBLISH_MS, on_puback, x, &e) < 0) {
		on_done(data, &e);
		order_end(&x->order);
	}
}
