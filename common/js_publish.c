/*
 * Publish until acknowledged. Each message has a reply address of its own,
 * which is how its PubAck finds it. Going well: one message out, one PubAck
 * in. Silence, a reconnect and "no responders" (a stream whose leader is
 * being chosen) repeat the very same message, whose Nats-Msg-Id makes
 * repeating harmless; a refusal by the stream ends it with the stream's words.
 */
#include <utlist.h>

#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/jetstream.h"
#include "common/js_puback.h"
#include "common/log.h"

#define REPEAT_FIRST_MS 2000
#define REPEAT_MAX_MS 10000
#define NOBODY_FIRST_MS 250
#define NOBODY_MAX_MS 2000

struct publishes {
	struct bus *bus;
	struct publish *all;
	size_t count;
	struct bus_hook hook;
};

struct publish {
	struct publishes *table;
	struct bus_packet *packet;
	struct bus_inbox *inbox;
	struct timeout timeout;
	int64_t deadline_mono_ms; /* 0: none */
	int64_t repeat_ms;
	js_on_puback on_puback;
	void *data;
	void (*drop)(void *data); /* for data that is nobody else's, where the bus closes first */
	int64_t nobody_ms; /* the last thing heard was "no responders", and is waited out so long; else 0 */
	struct publish *prev, *next;
};

static void publish_free(struct publish *p)
{
	timeout_stop(&p->timeout);
	bus_inbox_close(&p->inbox);
	bus_packet_unref(p->packet);
	DL_DELETE(p->table->all, p);
	p->table->count--;
	free(p);
}

static void finish(struct publish *p, const struct js_puback *ack, const struct err *e)
{
	js_on_puback on_puback = p->on_puback;
	void *data = p->data;

	publish_free(p);
	on_puback(data, ack, e);
}

static void on_timeout(struct timeout *t);

/* Sets the next look: the repeat, or the deadline where that is nearer. */
static void wait_for_ack(struct publish *p, int64_t repeat_ms)
{
	if (p->deadline_mono_ms)
		repeat_ms = MIN_OF(repeat_ms, p->deadline_mono_ms - clock_mono_ms());
	timeout_start(&p->timeout, repeat_ms, on_timeout);
}

static void on_timeout(struct timeout *t)
{
	struct publish *p = container_of(t, struct publish, timeout);
	struct err e;

	if (p->deadline_mono_ms && clock_mono_ms() >= p->deadline_mono_ms) {
		if (p->nobody_ms)
			err_set(&e, ERR_NOT_FOUND, "no stream takes this subject: is the broker set up (millrace setup)?");
		else
			err_set(&e, bus_is_up(p->table->bus) ? ERR_TIMEOUT : ERR_UNREACHABLE,
			        "no acknowledgement from the broker at %s in time", bus_url(p->table->bus));
		finish(p, NULL, &e);
		return;
	}
	bus_packet_want_nobody(p->packet);
	bus_packet_send(p->table->bus, p->packet);
	p->repeat_ms = MIN_OF(p->repeat_ms * 2, REPEAT_MAX_MS);
	wait_for_ack(p, p->repeat_ms);
}

/* {"stream":"X","seq":12,"duplicate":true} or {"error":{…}}; a domain may stand beside. */
static void on_reply(void *data, struct bus_msg **m)
{
	struct publish *p = data;
	struct js_puback ack = {0};
	struct err e = {0};

	if (bus_msg_status(*m) == 503) {
		p->nobody_ms = p->nobody_ms ? MIN_OF(p->nobody_ms * 2, NOBODY_MAX_MS) : NOBODY_FIRST_MS;
		wait_for_ack(p, p->nobody_ms);
		return;
	}
	if (js_puback_scan(bus_msg_data(*m), bus_msg_len(*m), &ack) || !js_puback_read(bus_msg_data(*m), bus_msg_len(*m), &ack, &e))
		finish(p, &ack, NULL);
	else
		finish(p, NULL, &e);
}

/* What was under way when the connection broke may have been lost with it. */
static void on_up(struct bus_hook *h)
{
	struct publishes *table = container_of(h, struct publishes, hook);
	struct publish *p;

	DL_FOREACH (table->all, p) {
		bus_packet_send(table->bus, p->packet);
		p->repeat_ms = REPEAT_FIRST_MS;
		wait_for_ack(p, p->repeat_ms);
	}
}

static void table_free(void *data)
{
	struct publishes *table = data;

	while (table->all) {
		if (table->all->drop)
			table->all->drop(table->all->data);
		publish_free(table->all);
	}
	bus_hook_remove(table->bus, &table->hook);
	free(table);
}

static struct publishes *table_of(struct bus *b)
{
	struct publishes *table = bus_place(b, BUS_PUBLISHES);

	if (!table) {
		table = xcalloc(1, sizeof(*table));
		table->bus = b;
		table->hook.on_up = on_up;
		bus_hook_add(b, &table->hook);
		bus_put(b, BUS_PUBLISHES, table, table_free);
	}
	return table;
}

int js_publish(struct bus *b, const struct bus_out *out, int64_t deadline_ms,
               js_on_puback on_puback, void *data, struct err *e)
{
	struct publishes *table = table_of(b);
	struct publish *p;
	int rc;

	if (table->count >= JS_PUBLISH_MAX)
		return err_set(e, ERR_FULL, "%d publishes are waiting for the broker already", JS_PUBLISH_MAX);
	p = xcalloc(1, sizeof(*p));
	p->table = table;
	p->on_puback = on_puback;
	p->data = data;
	p->repeat_ms = REPEAT_FIRST_MS;
	p->inbox = bus_inbox_open(b, on_reply, p);
	rc = bus_packet_make(b, out, bus_inbox_address(p->inbox), &p->packet, e);
	if (rc) {
		bus_inbox_close(&p->inbox);
		free(p);
		return rc;
	}
	timeout_init(&p->timeout, bus_timeouts(b));
	DL_APPEND(table->all, p);
	table->count++;
	if (deadline_ms)
		p->deadline_mono_ms = clock_mono_ms() + deadline_ms;
	bus_packet_send(b, p->packet);
	wait_for_ack(p, p->repeat_ms);
	return 0;
}

int js_publish_owned(struct bus *b, const struct bus_out *out, int64_t deadline_ms, js_on_puback on_puback,
                     void *data, void (*drop)(void *data), struct err *e)
{
	int rc = js_publish(b, out, deadline_ms, on_puback, data, e);

	if (!rc) /* the newest is the last */
		table_of(b)->all->prev->drop = drop;
	return rc;
}

size_t js_publish_inflight(const struct bus *b)
{
	const struct publishes *table = bus_place(b, BUS_PUBLISHES);

	return table ? table->count : 0;
}
