/* What the bus*.c files share among themselves. Nobody else includes it. */
#pragma once

#include <nats/nats.h>
#include <pthread.h>
#include <uthash.h>

#include "common/bus.h"
#include "common/bus_guard.h"
#include "common/bus_packet.h"

/* Up to this rate, and bursts of so many, each message is a write of its own. */
#define BUS_DIRECT_PER_S 8000
#define BUS_DIRECT_BURST 32
#define BUS_PENDING_MAX 65536

/* What the library's threads hand to the loop, in order. */
enum bus_item_kind { ITEM_MSG, ITEM_UP, ITEM_DOWN, ITEM_CLOSED, ITEM_ERROR };

/* A received message; while queued, also the queue's link. */
struct bus_msg {
	enum bus_item_kind kind;
	struct bus_msg *next;
	natsMsg *native;
	struct bus_source *source;
	char *words; /* of an event that is no message; owned */
	struct bus_header *headers;
	size_t nheaders;
	bool headers_read, headers_unreadable;
};

/*
 * The library's end of a subscription. It outlives the bus_sub, for the
 * library may still be in its callback: freed when the library says that it is done.
 */
struct bus_source {
	struct bus *bus;
	struct bus_sub *sub; /* NULL once unsubscribed; loop thread only */
	bool bounded;
	unsigned refs;       /* under the bus's lock: library + sub + queued messages */
};

struct bus_sub {
	struct bus *bus;
	char *subject, *queue;
	bus_on_msg on_msg;
	void *data;
	natsSubscription *native;
	struct bus_source *source;
	struct bus_sub *prev, *next;
};

/*
 * A message on its way out. Whoever may have to repeat it keeps a reference. Without headers
 * (acks, pulls) it is plain text: the library's own message costs several allocations, and its
 * collector's thread to be freed.
 */
struct bus_packet {
	unsigned refs;
	bool wants_nobody;
	natsMsg *native;     /* or NULL, and then: */
	const char *reply;   /* or NULL */
	const char *data;
	size_t len;
	char subject[];      /* followed by reply and data */
};

struct bus_consumer {
	char *key; /* "<stream>.<consumer>" */
	bus_on_msg on_msg;
	void *data;
	UT_hash_handle hh;
};

struct bus_inbox {
	struct bus *bus;
	uint32_t slot;
	bus_on_msg on_msg;
	void *data;
	char address[];
};

/* Inboxes by number; a free one links to the next. The generation tells a late reply from a new one. */
struct bus_slot {
	struct bus_inbox *inbox;
	uint32_t generation, next_free;
};

struct bus_deferred {
	void (*fn)(void *data);
	void *data;
};

struct bus {
	uv_loop_t *loop;
	uv_async_t wake;
	uv_prepare_t before_poll;
	uv_check_t after_poll;
	uv_timer_t reopen;
	unsigned open_handles;
	struct bus_events events;
	natsOptions *options;      /* of the direct connection */
	natsConnection *direct;    /* every publish is a write; carries all subscriptions */
	natsConnection *buffered;  /* many publishes are one write; made when first worth it */
	struct bus_guarded direct_guard, buffered_guard;
	int64_t direct_tokens, direct_refilled_ns;
	int64_t buffered_tried_mono_ms; /* 0: not yet */
	bool up, ever_up, closing;
	char *url;
	size_t max_payload;
	char *prefix;              /* "_INBOX.<random>." */
	size_t prefix_len;

	pthread_mutex_t lock;
	pthread_cond_t calm;       /* a connection closed, or a source ended */
	struct bus_msg *first, *last; /* under lock */
	unsigned sources, live_connections; /* under lock */
	uint64_t dropped;          /* under lock: messages of flooded subscriptions */

	struct bus_sub *subs;
	struct bus_sub *inbox_sub;
	struct bus_slot *slots;
	uint32_t slots_len, first_free;
	struct bus_consumer *consumers;
	struct bus_call *calls;    /* requests under way */
	struct bus_hook *hooks, *next_hook; /* next_hook: while they are being told */
	struct timeouts *timeouts;
	struct bus_packet **out;
	size_t out_len, out_cap;
	struct bus_deferred *deferred;
	size_t deferred_len, deferred_cap;
	void *places[BUS_PLACES]; /* bus_packet.h */
	void (*place_ends[BUS_PLACES])(void *);
};

/* bus_options.c */
MUST_CHECK int bus_options_make(const struct bus_config *c, const char *client_name, natsOptions **ret,
                                char **ret_url, char **ret_prefix, struct err *e);

/* bus_msg.c */
struct bus_msg *bus_msg_from_native(natsMsg *native);
MUST_CHECK int bus_packet_make(const struct bus *bus, const struct bus_out *out, const char *reply,
                               struct bus_packet **ret, struct err *e);
void bus_packet_unref(struct bus_packet *p);
natsStatus bus_packet_publish(natsConnection *nc, const struct bus_packet *p);

/* bus_sub.c; push_event from any thread */
void bus_push_event(struct bus *b, enum bus_item_kind kind, const char *words);
void bus_source_unref(struct bus_source *src);
int bus_subscribe_native(struct bus_sub *sub); /* 0, or it is tried again with the next connection */
void bus_unsubscribe_native(struct bus_sub *sub);

/* bus_connect.c */
void bus_connect(struct bus *b);
bool bus_connect_buffered(struct bus *b); /* whether there is one that is up */
void bus_reconnect_later(struct bus *b);
void bus_drop_connection(natsConnection **nc);

/* bus.c: keeps a reference until it has left; false while the broker is away. */
bool bus_packet_send(struct bus *bus, struct bus_packet *p);

/* bus_route.c: finds the taker of a message from the shared inbox subscription. */
void bus_route(void *bus, struct bus_msg **m);
void bus_route_release(struct bus *bus);
