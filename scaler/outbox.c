/*
 * A short list in memory. It stands alone because everything else here goes
 * on while the broker is away, and only this waits for it.
 *
 * Well: an event is published and repeated until its PubAck (js_publish), a
 * few at a time, oldest first. Badly: the stream is full or not there: again
 * in a few seconds. The list is full: the oldest goes, with a warning. We are
 * killed: what waits is lost, and only the log has it.
 */
#include "scaler/outbox.h"

#include <stdio.h>
#include <utlist.h>

#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"

#define UNDERWAY_MAX 16u
#define AGAIN_MS 3000

struct entry {
	struct outbox *of;
	char *msg_id;
	struct buf packed;
	bool underway;
	struct entry *prev, *next;
};

struct outbox {
	struct bus *bus;
	const char *subject;
	struct entry *entries; /* oldest first */
	size_t n, underway;
	struct timeout again;
	bool stopped;
	struct metric *dropped;
};

static void drop(struct entry *x)
{
	struct outbox *o = x->of;

	DL_DELETE(o->entries, x); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	o->n--;
	buf_release(&x->packed);
	free(x->msg_id);
	free(x);
}

static void pump(struct outbox *o);

static void on_again(struct timeout *t)
{
	pump(container_of(t, struct outbox, again));
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct entry *x = data;
	struct outbox *o = x->of;

	(void)ack;
	x->underway = false;
	o->underway--;
	if (!e) {
		drop(x);
		pump(o);
		return;
	}
	log_debug("an event is not stored yet", LOG_S("subject", o->subject), LOG_S("error", e->text),
			  LOG_I("retry_ms", AGAIN_MS));
	if (!o->stopped)
		timeout_start(&o->again, AGAIN_MS, on_again);
}

static void pump(struct outbox *o)
{
	struct entry *x;
	struct err e;

	if (o->stopped || timeout_running(&o->again))
		return;
	DL_FOREACH (o->entries, x) {
		if (o->underway == UNDERWAY_MAX)
			return;
		if (x->underway)
			continue;
		const struct bus_header h[] = {{"Nats-Msg-Id", x->msg_id},
									   {"Content-Type", CONTENT_PROTOBUF}};
		const struct bus_out out = {.subject = o->subject,
									.data = x->packed.data,
									.len = x->packed.len,
									.headers = h,
									.nheaders = ARRAY_LEN(h)};
		if (js_publish(o->bus, &out, 0, on_puback, x, &e) < 0) {
			timeout_start(&o->again, AGAIN_MS, on_again);
			return;
		}
		x->underway = true;
		o->underway++;
	}
}

/* The oldest that is not under way: what is may be stored already. */
static void make_room(struct outbox *o)
{
	struct entry *x = o->entries;

	while (x && x->underway)
		x = x->next;
	if (!x)
		return;
	drop(x);
	metric_add(o->dropped, 1);
	log_warn("event dropped: too many wait for the broker", LOG_S("subject", o->subject),
			 LOG_I("most", OUTBOX_MAX));
}

void outbox_add(struct outbox *o, const char *id, struct buf *packed)
{
	struct entry *x = xcalloc(1, sizeof(*x));

	if (o->n >= OUTBOX_MAX)
		make_room(o);
	x->packed = *packed;
	*packed = (struct buf){0};
	x->msg_id = xstrdup(id);
	x->of = o;
	DL_APPEND(o->entries, x);
	o->n++;
	pump(o);
}

size_t outbox_waiting(const struct outbox *o)
{
	return o->n;
}

struct outbox *outbox_new(struct bus *bus, const char *subject, const char *kind)
{
	CLEANUP(free_ptr) char *label = xasprintf("kind=\"%s\"", kind);
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->bus = bus;
	o->subject = subject;
	timeout_init(&o->again, bus_timeouts(bus));
	o->dropped = metric_counter("millrace_scaler_events_dropped_total",
								"Events that waited for the broker too long.", label);
	return o;
}

void outbox_stop(struct outbox *o)
{
	if (!o)
		return;
	o->stopped = true;
	timeout_stop(&o->again);
}

void outbox_free(struct outbox **po)
{
	struct outbox *o = TAKE(*po);
	struct entry *x, *tmp;

	if (!o)
		return;
	DL_FOREACH_SAFE (o->entries, x, tmp)
		drop(x);
	free(o);
}
