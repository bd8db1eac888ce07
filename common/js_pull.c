/*
 * One pull consumer, asked by credits: "up to N messages within T". One
 * request is under way at a time. Going well it ends filled, or empty by the
 * server's status line. A reconnect, a change of leadership or plain silence
 * (an own deadline, a little behind the server's) ends it as lost; whoever
 * owns it asks again.
 */
#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"

#define GRACE_MS 2000 /* how far behind the server's expiry we give up on it */

struct js_pull {
	struct bus *bus;
	char *stream, *consumer, *subject;
	struct js_pull_events events;
	struct bus_inbox *inbox; /* of the request under way: statuses come here */
	struct timeout timeout;
	struct bus_hook hook;
	unsigned credits;
	bool closed; /* by its owner, perhaps from within on_msg */
};

static void end(struct js_pull *p, enum js_pull_end why)
{
	p->credits = 0;
	timeout_stop(&p->timeout);
	bus_inbox_close(&p->inbox);
	p->events.on_end(p->events.data, why);
}

static void on_message(void *data, struct bus_msg **m)
{
	struct js_pull *p = data;
	struct js_meta meta;
	struct err e;

	if (js_meta_parse(bus_msg_reply(*m), &meta, &e)) {
		log_warn("dropped a delivery", LOG_S("stream", p->stream), LOG_S("why", e.text));
		return;
	}
	/* More than was asked for: the end of a request that we gave up on. It is ours all the same. */
	bool filled = p->credits > 0 && --p->credits == 0;
	if (filled) {
		timeout_stop(&p->timeout);
		bus_inbox_close(&p->inbox);
	}
	p->events.on_msg(p->events.data, m, &meta);
	if (filled && !p->closed)
		p->events.on_end(p->events.data, JS_PULL_FILLED);
}

static void on_status(void *data, struct bus_msg **m)
{
	struct js_pull *p = data;
	const char *text = bus_msg_status_text(*m);

	switch (bus_msg_status(*m)) {
	case 100: /* heartbeat */
		return;
	case 404:
	case 408:
		end(p, JS_PULL_EMPTY);
		return;
	case 409:
		if (strcasestr(text, "consumer deleted") || strcasestr(text, "stream deleted"))
			end(p, JS_PULL_GONE);
		else if (strcasestr(text, "max") || strcasestr(text, "batch completed"))
			end(p, JS_PULL_EMPTY); /* bytes or requests at their limit: what was there came */
		else
			end(p, JS_PULL_LOST); /* leadership change, server shutdown */
		return;
	case 503:
		/* Nobody listens on the consumer's subject: deleted, or, as at a restart, not there yet. */
		end(p, JS_PULL_LOST);
		return;
	default:
		log_warn("pull refused", LOG_S("stream", p->stream), LOG_S("consumer", p->consumer),
		         LOG_I("status", bus_msg_status(*m)), LOG_S("words", text));
		end(p, JS_PULL_LOST);
	}
}

static void on_timeout(struct timeout *t)
{
	struct js_pull *p = container_of(t, struct js_pull, timeout);

	end(p, JS_PULL_LOST);
}

/* The server forgot our request with the connection. */
static void on_down(struct bus_hook *h)
{
	struct js_pull *p = container_of(h, struct js_pull, hook);

	if (p->credits)
		end(p, JS_PULL_LOST);
}

int js_pull_open(struct bus *b, const char *stream, const char *consumer,
                 const struct js_pull_events *ev, struct js_pull **ret, struct err *e)
{
	struct js_pull *p = xcalloc(1, sizeof(*p));
	int rc = bus_consumer_take(b, stream, consumer, on_message, p, e);

	if (rc) {
		free(p);
		return rc;
	}
	p->bus = b;
	p->stream = xstrdup(stream);
	p->consumer = xstrdup(consumer);
	p->subject = xasprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", stream, consumer);
	p->events = *ev;
	p->hook.on_down = on_down;
	timeout_init(&p->timeout, bus_timeouts(b));
	bus_hook_add(b, &p->hook);
	*ret = p;
	return 0;
}

int js_pull_ask(struct js_pull *p, unsigned batch, int64_t expires_ms, size_t max_bytes, struct err *e)
{
	char body[160];
	int len, rc;

	if (p->credits)
		return err_set(e, ERR_EXISTS, "a pull of %s.%s is under way", p->stream, p->consumer);
	if (!bus_is_up(p->bus))
		return err_set(e, ERR_UNREACHABLE, "broker at %s is away", bus_url(p->bus));
	len = snprintf(body, sizeof(body), "{\"batch\":%u", batch);
	if (expires_ms)
		len += snprintf(body + len, sizeof(body) - (size_t)len, ",\"expires\":%lld",
		                (long long)(expires_ms * NS_PER_MS));
	else
		len += snprintf(body + len, sizeof(body) - (size_t)len, ",\"no_wait\":true");
	if (max_bytes)
		len += snprintf(body + len, sizeof(body) - (size_t)len, ",\"max_bytes\":%zu", max_bytes);
	len += snprintf(body + len, sizeof(body) - (size_t)len, "}");

	p->inbox = bus_inbox_open(p->bus, on_status, p);
	rc = bus_publish(p->bus, &(struct bus_out){.subject = p->subject, .reply = bus_inbox_address(p->inbox),
	                                           .data = body, .len = (size_t)len}, e);
	if (rc) {
		bus_inbox_close(&p->inbox);
		return rc;
	}
	p->credits = batch;
	timeout_start(&p->timeout, expires_ms + GRACE_MS, on_timeout);
	return 0;
}

unsigned js_pull_credits(const struct js_pull *p)
{
	return p->credits;
}

static void free_closed(void *data)
{
	struct js_pull *p = data;

	free(p->stream);
	free(p->consumer);
	free(p->subject);
	free(p);
}

void js_pull_close(struct js_pull **pp)
{
	struct js_pull *p = TAKE(*pp);

	if (!p)
		return;
	timeout_stop(&p->timeout);
	bus_inbox_close(&p->inbox);
	bus_hook_remove(p->bus, &p->hook);
	bus_consumer_drop(p->bus, p->stream, p->consumer);
	p->closed = true;
	bus_defer(p->bus, free_closed, p);
}
