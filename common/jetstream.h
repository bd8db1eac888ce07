/*
 * JetStream by its wire protocol on top of the bus: publish with a PubAck,
 * pull by credits, acks, management requests. Asynchronous throughout; no
 * callback runs before the call that started it returned.
 */
#pragma once

#include <jansson.h>

#include "common/bus.h"

/* ---- publish ---- */

struct js_puback {
	uint64_t seq;
	bool duplicate;
};
/* e is NULL on success. ERR_FULL: the stream's limit; ERR_NOT_FOUND: no stream has the subject;
 * ERR_TOO_LARGE; ERR_CONFLICT: an expectation failed; ERR_TIMEOUT: the deadline passed. */
typedef void (*js_on_puback)(void *data, const struct js_puback *ack, const struct err *e);

/*
 * Publishes and repeats the same message (so give it a Nats-Msg-Id) on silence, after a reconnect and on
 * "no responders", until a PubAck or deadline_ms from now (0: for ever). A refusal by the stream ends it at once.
 * Everything is copied. At most JS_PUBLISH_MAX are under way in a process: over it ERR_FULL.
 */
#define JS_PUBLISH_MAX 65536
MUST_CHECK int js_publish(struct bus *bus, const struct bus_out *out, int64_t deadline_ms,
                          js_on_puback on_puback, void *data, struct err *e);
size_t js_publish_inflight(const struct bus *bus);

/* ---- pull ---- */

/* What the $JS.ACK reply of a delivered message tells (both of its forms). */
struct js_meta {
	const char *stream, *consumer; /* borrowed from the parse's buffer */
	uint64_t delivered;            /* 1 for the first delivery */
	uint64_t stream_seq;
	uint64_t consumer_seq;
	int64_t stored_wall_ns;
	uint64_t pending;              /* what the consumer still has to deliver */
	char text[256];
};
MUST_CHECK int js_meta_parse(const char *reply, struct js_meta *ret, struct err *e);

enum js_pull_end {
	JS_PULL_FILLED,   /* all credits came as messages */
	JS_PULL_EMPTY,    /* nothing (more) there: no_wait found the end, or expires passed */
	JS_PULL_LOST,     /* reconnect, leadership change, silence: ask again */
	JS_PULL_GONE,     /* the consumer or stream does not exist (any more) */
};
struct js_pull_events {
	/* meta is borrowed for the call. */
	void (*on_msg)(void *data, struct bus_msg **m, const struct js_meta *meta);
	/* The one outstanding request ended; js_pull_credits is 0 now. Asking again from here is fine. */
	void (*on_end)(void *data, enum js_pull_end why);
	void *data;
};
struct js_pull;
MUST_CHECK int js_pull_open(struct bus *bus, const char *stream, const char *consumer,
                            const struct js_pull_events *ev, struct js_pull **ret, struct err *e);
/*
 * One request at a time: asking while js_pull_credits() > 0 is a bug. expires_ms 0 is no_wait.
 * max_bytes 0: no limit. ERR_UNREACHABLE while the broker is away (wait for bus_events.on_up).
 */
MUST_CHECK int js_pull_ask(struct js_pull *p, unsigned batch, int64_t expires_ms, size_t max_bytes, struct err *e);
unsigned js_pull_credits(const struct js_pull *p); /* messages that may still come */
/* Messages that still come after it are dropped unacked. NULL is fine. */
void js_pull_close(struct js_pull **p);

/* ---- acks: by the reply subject of a delivered message ---- */
/* Final. The newest of a stream leaves up to 0.1 s later than the others (js_ack.c says why), at the latest by bus_close. */
void js_ack(struct bus *bus, const char *reply);
void js_nak(struct bus *bus, const char *reply, int64_t delay_ms);
void js_working(struct bus *bus, const char *reply); /* +WPI: the ack_wait starts anew */
void js_term(struct bus *bus, const char *reply);

/* ---- management: $JS.API requests with JSON in and out ---- */

/* reply is borrowed; e says what the server said (its err_code in server_code, 0 otherwise). */
typedef void (*js_on_api)(void *data, const json_t *reply, int server_code, const struct err *e);
/* verb: what follows "$JS.API.", as "STREAM.INFO.TASKS". body NULL: none. */
MUST_CHECK int js_api(struct bus *bus, const char *verb, const json_t *body, js_on_api on_reply,
                      void *data, struct err *e);
#define JS_ERR_STREAM_NOT_FOUND 10059
#define JS_ERR_CONSUMER_NOT_FOUND 10014
#define JS_ERR_STREAM_EXISTS 10058
#define JS_ERR_NO_MESSAGE_FOUND 10037
#define JS_API_TIMEOUT_MS 5000

/* ---- key-value buckets ---- */

struct kv_entry {
	const char *key;      /* NULL: all entries that were there at the start (or after a reset) have been told */
	const void *value;
	size_t len;
	uint64_t revision;
	int64_t stored_wall_ns;
	bool deleted;
};
/* revision is the entry's new one. ERR_CONFLICT: the compare-and-set lost. */
typedef void (*kv_on_put)(void *data, uint64_t revision, const struct err *e);
#define KV_ANY_REVISION UINT64_MAX /* else: the revision that must be there; 0: none */
MUST_CHECK int kv_put(struct bus *bus, const char *bucket, const char *key, const void *value, size_t len,
                      uint64_t expect_revision, kv_on_put on_put /* or NULL */, void *data, struct err *e);
MUST_CHECK int kv_delete(struct bus *bus, const char *bucket, const char *key, kv_on_put on_put,
                         void *data, struct err *e);
/* The same, with the revision that must be there. */
MUST_CHECK int kv_delete_at(struct bus *bus, const char *bucket, const char *key, uint64_t expect_revision,
                            kv_on_put on_put, void *data, struct err *e);
/* e ERR_NOT_FOUND: absent (entry NULL), or deleted: then entry tells the revision that a compare-and-set has to expect. */
typedef void (*kv_on_get)(void *data, const struct kv_entry *entry, const struct err *e);
MUST_CHECK int kv_get(struct bus *bus, const char *bucket, const char *key, kv_on_get on_get, void *data, struct err *e);
/* The key's last word: a deletion is an entry too, with its revision (what a compare-and-set must name). */
MUST_CHECK int kv_get_last(struct bus *bus, const char *bucket, const char *key, kv_on_get on_get, void *data, struct err *e);

/*
 * Tells the last value of every key, then an entry with key NULL, then each change. After a reconnect or silence
 * it starts anew and tells all again: on_entry must take repeats. Expiry by TTL is not told.
 */
struct kv_watch;
typedef void (*kv_on_entry)(void *data, const struct kv_entry *entry);
MUST_CHECK int kv_watch(struct bus *bus, const char *bucket, const char *filter /* ">" for all */,
                        kv_on_entry on_entry, void *data, struct kv_watch **ret, struct err *e);
void kv_watch_stop(struct kv_watch **w);
