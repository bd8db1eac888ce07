/*
 * Request and reply on an inbox of its own for each call. The answer, "no
 * responders" or the deadline ends it, whichever is first; where the broker is
 * away already, that is said at once.
 */
#include <utlist.h>

#include "common/bus_internal.h"
#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/timeouts.h"

struct bus_call {
	struct bus *bus;
	struct bus_inbox *inbox;
	struct timeout timeout;
	bus_on_reply on_reply;
	void *data;
	void (*drop)(void *data);
	struct bus_call **owner;
	bool sent;
	struct bus_call *prev, *next; /* in bus->calls */
};

static void call_free(struct bus_call *c)
{
	timeout_stop(&c->timeout);
	bus_inbox_close(&c->inbox);
	DL_DELETE(c->bus->calls, c);
	if (c->owner)
		*c->owner = NULL;
	free(c);
}

static void finish(struct bus_call *c, struct bus_msg **reply, const struct err *e)
{
	bus_on_reply on_reply = c->on_reply;
	void *data = c->data;

	call_free(c);
	on_reply(data, reply, e);
}

static void on_message(void *data, struct bus_msg **m)
{
	struct err e;

	if (bus_msg_status(*m) == 503) {
		err_set(&e, ERR_NOT_FOUND, "nobody serves this request");
		finish(data, NULL, &e);
		return;
	}
	finish(data, m, NULL);
}

static void on_timeout(struct timeout *t)
{
	struct bus_call *c = container_of(t, struct bus_call, timeout);
	struct err e;

	if (c->sent && bus_is_up(c->bus))
		err_set(&e, ERR_TIMEOUT, "no answer in time");
	else
		err_set(&e, ERR_UNREACHABLE, "broker at %s is away", bus_url(c->bus));
	finish(c, NULL, &e);
}

int bus_request(struct bus *b, const struct bus_out *out, int64_t timeout_ms, bus_on_reply on_reply,
                void *data, struct bus_call **ret_call, struct err *e)
{
	struct bus_call *c = xcalloc(1, sizeof(*c));
	struct bus_out copy = *out;

	c->bus = b;
	c->on_reply = on_reply;
	c->data = data;
	c->inbox = bus_inbox_open(b, on_message, c);
	timeout_init(&c->timeout, bus_timeouts(b));
	DL_APPEND(b->calls, c);
	copy.reply = bus_inbox_address(c->inbox);
	copy.wants_nobody = true;
	c->sent = bus_is_up(b);
	int rc = c->sent ? bus_publish(b, &copy, e) : 0;
	if (rc) {
		call_free(c);
		return rc;
	}
	timeout_start(&c->timeout, c->sent ? timeout_ms : 0, on_timeout);
	if (ret_call) {
		c->owner = ret_call;
		*ret_call = c;
	}
	return 0;
}

void bus_call_cancel(struct bus_call **call)
{
	struct bus_call *c = TAKE(*call);

	if (!c)
		return;
	c->owner = NULL;
	call_free(c);
}

int bus_request_owned(struct bus *b, const struct bus_out *out, int64_t timeout_ms, bus_on_reply on_reply,
                      void *data, void (*drop)(void *data), struct err *e)
{
	int rc = bus_request(b, out, timeout_ms, on_reply, data, NULL, e);

	if (!rc) /* the newest is the last */
		b->calls->prev->drop = drop;
	return rc;
}

void bus_calls_drop(struct bus *b)
{
	while (b->calls) {
		struct bus_call *c = b->calls;
		if (c->drop)
			c->drop(c->data);
		c->owner = NULL; /* it may be gone */
		call_free(c);
	}
}
