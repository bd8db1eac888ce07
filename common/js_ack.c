/*
 * Acks, of which the newest of each stream is held back for a moment. The
 * server keeps a stream in files of messages; a file whose last message goes
 * is deleted and another made, which costs it some 0.3 ms with the stream
 * locked. In a work queue that is kept up with, that would be each message.
 * With one message left unacked the file stays, and the next message joins it.
 *
 * Well: an ack waits until a newer message of its stream is acked, or for
 * HOLD_MS. Badly: a process that is killed meanwhile leaves one settled
 * message a stream to be delivered again, as one killed just before its ack
 * does.
 */
#include <uthash.h>

#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/jetstream.h"

#define HOLD_MS 100

struct held {
	struct acks *acks;
	struct timeout timeout;
	uint64_t seq;
	char *reply;
	char *stream;
	UT_hash_handle hh;
};

struct acks {
	struct bus *bus;
	struct held *held; /* by stream: as many as had an ack within HOLD_MS */
};

static void answer(struct bus *b, const char *reply, const char *body, size_t len)
{
	if (reply && strncmp(reply, "$JS.ACK.", 8) == 0)
		bus_send(b, reply, body, len);
}

static void let_go(struct held *h)
{
	answer(h->acks->bus, h->reply, "", 0);
	timeout_stop(&h->timeout);
	HASH_DEL(h->acks->held, h);
	free(h->reply);
	free(h->stream);
	free(h);
}

static void on_timeout(struct timeout *t)
{
	let_go(container_of(t, struct held, timeout));
}

static void close_acks(void *data)
{
	struct acks *a = data;
	struct held *h, *tmp;

	HASH_ITER (hh, a->held, h, tmp)
		let_go(h);
	free(a);
}

static struct acks *acks_of(struct bus *b)
{
	struct acks *a = bus_place(b, BUS_ACKS);

	if (!a) {
		a = xcalloc(1, sizeof(*a));
		a->bus = b;
		bus_put(b, BUS_ACKS, a, close_acks);
	}
	return a;
}

void js_ack(struct bus *b, const char *reply)
{
	struct acks *a = acks_of(b);
	struct js_meta meta;
	struct held *h;

	if (js_meta_parse(reply, &meta, NULL)) {
		answer(b, reply, "", 0);
		return;
	}
	HASH_FIND_STR(a->held, meta.stream, h);
	if (!h) {
		h = xcalloc(1, sizeof(*h));
		h->acks = a;
		h->stream = xstrdup(meta.stream);
		timeout_init(&h->timeout, bus_timeouts(b));
		HASH_ADD_KEYPTR(hh, a->held, h->stream, strlen(h->stream), h);
	} else if (meta.stream_seq > h->seq) {
		answer(b, h->reply, "", 0);
	} else {
		answer(b, reply, "", 0);
		return;
	}
	free(h->reply);
	h->reply = xstrdup(reply);
	h->seq = meta.stream_seq;
	timeout_start(&h->timeout, HOLD_MS, on_timeout);
}

void js_nak(struct bus *b, const char *reply, int64_t delay_ms)
{
	char body[64];
	int len = delay_ms > 0 ? snprintf(body, sizeof(body), "-NAK {\"delay\":%lld}",
									  (long long)(delay_ms * NS_PER_MS))
						   : snprintf(body, sizeof(body), "-NAK");
	answer(b, reply, body, (size_t)len);
}

void js_working(struct bus *b, const char *reply)
{
	answer(b, reply, "+WPI", 4);
}

void js_term(struct bus *b, const char *reply)
{
	answer(b, reply, "+TERM", 5);
}
