/*
 * The connection to NATS, as the loop sees it. This is the only file that
 * knows nats.c. The library keeps its sockets and threads; everything it
 * receives is put on a locked queue and handled on the uv loop, so no caller
 * ever needs a lock. Every function here is called on the loop's thread.
 *
 * What is published during one turn of the loop leaves at the turn's end:
 * at a low rate each message is written straight to the socket; at a high
 * one they go through the library's buffer (one write for many).
 *
 * A broker that goes away is waited for, for ever, by the library; on_down
 * and on_up tell. What was published without an acknowledgement may be lost
 * by then; publish.h, pull.h and kv.h repeat what must be repeated.
 */
#pragma once

#include <uv.h>

#include "common/config.h"
#include "common/timeouts.h"

struct bus;
struct bus_msg;
struct bus_sub;
struct bus_inbox;

struct bus_config {
	char *url, *creds, *nkey, *user, *password, *token, *cert, *key, *ca, *context, *inbox_prefix;
};
#define BUS_CONFIG_KEYS(type, member)                                                            \
	{"nats.url", CONFIG_STRING, offsetof(type, member.url), NULL,                                \
	 "broker addresses, comma-separated; default the NATS context's, else nats://127.0.0.1:4222", "NATS_URL"}, \
	{"nats.creds", CONFIG_STRING, offsetof(type, member.creds), NULL, "credentials file", "NATS_CREDS"}, \
	{"nats.nkey", CONFIG_STRING, offsetof(type, member.nkey), NULL, "NKey seed file", "NATS_NKEY"}, \
	{"nats.user", CONFIG_STRING, offsetof(type, member.user), NULL, "user", "NATS_USER"},        \
	{"nats.password", CONFIG_STRING, offsetof(type, member.password), NULL, "password", "NATS_PASSWORD", 0, 0, true}, \
	{"nats.token", CONFIG_STRING, offsetof(type, member.token), NULL, "token", "NATS_TOKEN", 0, 0, true}, \
	{"nats.cert", CONFIG_STRING, offsetof(type, member.cert), NULL, "client certificate (PEM)", "NATS_CERT"}, \
	{"nats.key", CONFIG_STRING, offsetof(type, member.key), NULL, "its private key (PEM)", "NATS_KEY"}, \
	{"nats.ca", CONFIG_STRING, offsetof(type, member.ca), NULL, "certificate authority (PEM)", "NATS_CA"}, \
	{"nats.context", CONFIG_STRING, offsetof(type, member.context), NULL, "a context of the nats CLI", "NATS_CONTEXT"}, \
	{"nats.inbox_prefix", CONFIG_STRING, offsetof(type, member.inbox_prefix), NULL, "inbox prefix that our permissions allow; default _INBOX"}

struct bus_events {
	void (*on_up)(void *data);                            /* connected, first or again */
	/* Also when the start found nobody. ERR_DENIED: the broker refuses our credentials; it is tried on. */
	void (*on_down)(void *data, const struct err *why);
	void (*on_async_error)(void *data, const struct err *e); /* a permission was denied, … */
	void *data;
};

/*
 * Starts connecting; returns before the broker answered. Only what can never
 * work is an error here (a creds file that is missing, an address that is none).
 */
MUST_CHECK int bus_open(uv_loop_t *loop, const struct bus_config *c, const char *client_name,
                        const struct bus_events *ev, struct bus **ret, struct err *e);
/* Writes what is still to be written, then closes. No callback runs after it. NULL is fine. */
void bus_close(struct bus **bus);

bool bus_is_up(const struct bus *bus);
uv_loop_t *bus_loop(const struct bus *bus);
struct timeouts *bus_timeouts(const struct bus *bus); /* for timeout_init; lives as long as the bus */
/* The server's max_payload in bytes (1 MiB until connected). */
size_t bus_max_payload(const struct bus *bus);
const char *bus_url(const struct bus *bus); /* where it is or wants to be connected, without secrets */

/* ---- received messages ---- */

/*
 * A callback borrows *m; to keep it, TAKE(*m) and bus_msg_free it later.
 */
typedef void (*bus_on_msg)(void *data, struct bus_msg **m);

const char *bus_msg_subject(const struct bus_msg *m);
const char *bus_msg_reply(const struct bus_msg *m);   /* NULL: none */
const char *bus_msg_data(const struct bus_msg *m);    /* never NULL; not NUL-terminated */
size_t bus_msg_len(const struct bus_msg *m);
/* A status line of the server ("100" heartbeat, "404", "503" …); 0: an ordinary message. */
int bus_msg_status(const struct bus_msg *m);
const char *bus_msg_status_text(const struct bus_msg *m);
void bus_msg_free(struct bus_msg *m);
void bus_msg_freep(struct bus_msg **m);

struct bus_header {
	const char *name;
	const char *value;
};
/* The first value of that name in any case, or NULL. */
const char *bus_msg_header(const struct bus_msg *m, const char *name);
/* All of them, names as received; borrowed from m. */
const struct bus_header *bus_msg_headers(const struct bus_msg *m, size_t *ret_n);
/*
 * There are headers, and the library can't read them: bus_msg_headers tells none. A line without a
 * colon does it, or a last one without a value. (One without a value before others takes the next
 * line for it, and is not told apart.)
 */
bool bus_msg_headers_unreadable(const struct bus_msg *m);

/* ---- sending ---- */

struct bus_out {
	const char *subject;
	const char *reply;   /* or NULL */
	const void *data;
	size_t len;
	const struct bus_header *headers; /* those without a value are left out */
	size_t nheaders;
	bool wants_nobody; /* "no responders" is to be heard, also while much is being sent */
};

/*
 * Sends once, without acknowledgement; everything is copied. While the broker is
 * away it is dropped (debug log). ERR_TOO_LARGE over max_payload; ERR_INVALID for a
 * subject or header with characters that the protocol forbids.
 */
MUST_CHECK int bus_publish(struct bus *bus, const struct bus_out *out, struct err *e);
/* The same where nobody could do anything about a failure. */
void bus_send(struct bus *bus, const char *subject, const void *data, size_t len);

/* ---- subscriptions ---- */

/* queue: a queue group or NULL. Outlives reconnects. Over 65,536 unhandled messages the newest are dropped, and that is logged. */
MUST_CHECK int bus_subscribe(struct bus *bus, const char *subject, const char *queue,
                             bus_on_msg on_msg, void *data, struct bus_sub **ret, struct err *e);
/* No callback after it returns. NULL is fine. */
void bus_unsubscribe(struct bus_sub **sub);

/* A reply address of our own. Costs nothing at the broker: all share one subscription. */
struct bus_inbox *bus_inbox_open(struct bus *bus, bus_on_msg on_msg, void *data);
const char *bus_inbox_address(const struct bus_inbox *in);
void bus_inbox_close(struct bus_inbox **in);
/* "_INBOX.<random>.": subjects below it are ours alone. Those of one more token are the shared subscription's. */
const char *bus_inbox_prefix(const struct bus *bus);

/*
 * Messages that JetStream delivers carry the stream's subject; which consumer they
 * are from stands in the reply. Those of (stream, consumer) come to on_msg. One taker a consumer.
 */
MUST_CHECK int bus_consumer_take(struct bus *bus, const char *stream, const char *consumer,
                                 bus_on_msg on_msg, void *data, struct err *e);
void bus_consumer_drop(struct bus *bus, const char *stream, const char *consumer);

/* ---- request and reply ---- */

struct bus_call;
/*
 * Exactly one of reply and e is set. A missing service is ERR_NOT_FOUND, silence ERR_TIMEOUT, a broker that
 * is away ERR_UNREACHABLE. Never runs before bus_request returned.
 */
typedef void (*bus_on_reply)(void *data, struct bus_msg **reply, const struct err *e);
MUST_CHECK int bus_request(struct bus *bus, const struct bus_out *out, int64_t timeout_ms,
                           bus_on_reply on_reply, void *data, struct bus_call **ret_call, struct err *e);
/* on_reply will not run. *call may be one that ended; pass NULL-able storage that the callback sets to NULL. */
void bus_call_cancel(struct bus_call **call);

/* ---- told about the connection, for those above (pulls, watches) ---- */
struct bus_hook {
	void (*on_up)(struct bus_hook *h);
	void (*on_down)(struct bus_hook *h);
	struct bus_hook *prev, *next;
};
void bus_hook_add(struct bus *bus, struct bus_hook *h);
void bus_hook_remove(struct bus *bus, struct bus_hook *h);
/* Runs fn(data) once at the end of this turn of the loop (before the turn's messages leave). */
void bus_defer(struct bus *bus, void (*fn)(void *data), void *data);
