/*
 * The native nodes as a bridge sees them: name, types, and when it last heard
 * of each on its own monotonic clock (expiry in the bucket is not told, and
 * other machines' clocks prove nothing).
 *
 * A node that left in order counts until it would have been lost, too: a
 * restart of the only native node shall not push its lane's tasks through
 * handle.<type>, where nobody may listen.
 */
#include "node/bridge.h"

#include <stdio.h>
#include <uthash.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "proto/event.pb-c.h"

#define BRIDGE_LOOK_MS 500
#define BRIDGE_DEAF_MS 4000 /* two of our own heartbeats */

struct native_node {
	char *name;
	char *types; /* ",echo,hash," */
	int64_t heard_ms;
	UT_hash_handle hh;
};

struct bridge {
	struct native_node *nodes;
	struct kv_watch *watch;
	struct timeout timeout;
	void (*on_change)(void *data);
	void *data;
	struct bus *bus;
	int64_t heard_ms;  /* anything in the bucket, our own heartbeat too */
	int64_t deaf_ms;   /* last known to hear nothing: silence before proves nothing */
	int64_t listed_ms; /* when the bucket was first known; 0: not yet */
	bool settled;
};

static void forget(struct bridge *b, struct native_node *n)
{
	HASH_DEL(b->nodes, n);
	free(n->name);
	free(n->types);
	free(n);
}

static char *join_types(const Millrace__NodeStatus *s)
{
	struct buf b = {0};

	buf_add_str(&b, ",");
	for (size_t i = 0; i < s->n_types; i++)
		buf_printf(&b, "%s,", s->types[i]);
	return buf_take(&b);
}

static void hear(struct bridge *b, const char *name, const Millrace__NodeStatus *s)
{
	struct native_node *n;
	char *types = join_types(s);
	bool changed;

	HASH_FIND_STR(b->nodes, name, n);
	if (!n) {
		if (HASH_COUNT(b->nodes) >= BRIDGE_NODES_MAX) {
			free(types);
			return;
		}
		n = xcalloc(1, sizeof(*n));
		n->name = xstrdup(name);
		HASH_ADD_KEYPTR(hh, b->nodes, n->name, strlen(n->name), n);
	}
	changed = !n->types || !str_eq(n->types, types);
	free(n->types);
	n->types = types;
	n->heard_ms = clock_mono_ms();
	if (changed)
		b->on_change(b->data);
}

static void on_node(void *data, const struct kv_entry *entry)
{
	struct bridge *b = data;
	ProtobufCMessage *m;
	struct err e;

	if (!entry->key) {
		if (!b->listed_ms)
			b->listed_ms = clock_mono_ms();
		return;
	}
	b->heard_ms = clock_mono_ms();
	if (entry->deleted)
		return; /* counts until it would have been lost */
	if (codec_from_json_text(&millrace__node_status__descriptor, entry->value, entry->len,
							 CODEC_LENIENT, &m, &e)) {
		log_debug("not a node's status", LOG_S("node", entry->key), LOG_S("error", e.text));
		return;
	}
	const Millrace__NodeStatus *s = (const Millrace__NodeStatus *)m;
	if (!s->bridge)
		hear(b, entry->key, s);
	codec_free(m);
}

static void on_timer(struct timeout *t)
{
	struct bridge *b = container_of(t, struct bridge, timeout);
	int64_t now_ms = clock_mono_ms();
	struct native_node *n, *next;
	bool changed = false;

	timeout_start(t, BRIDGE_LOOK_MS, on_timer);
	if (!b->settled && b->listed_ms && now_ms - b->listed_ms >= BRIDGE_GRACE_MS)
		b->settled = changed = true;
	/* Where not even our own heartbeat comes back, the broker is silent and not the nodes. */
	if (!bus_is_up(b->bus) || now_ms - b->heard_ms > BRIDGE_DEAF_MS)
		b->deaf_ms = now_ms;
	HASH_ITER (hh, b->nodes, n, next) {
		if (now_ms - MAX_OF(n->heard_ms, b->deaf_ms) > BRIDGE_NODE_LOST_MS) {
			forget(b, n);
			changed = true;
		}
	}
	if (changed)
		b->on_change(b->data);
}

bool bridge_wants(const struct bridge *b, const char *type)
{
	char word[TOKEN_MAX + 3];

	if (!b->settled || strlen(type) > TOKEN_MAX)
		return false;
	snprintf(word, sizeof(word), ",%s,", type);
	for (const struct native_node *n = b->nodes; n; n = n->hh.next) {
		if (strstr(n->types, word))
			return false;
	}
	return true;
}

int bridge_open(struct node *n, void (*on_change)(void *data), void *data, struct bridge **ret,
				struct err *e)
{
	struct bridge *b = xcalloc(1, sizeof(*b));
	int rc = kv_watch(n->bus, "nodes", ">", on_node, b, &b->watch, e);

	if (rc) {
		free(b);
		return rc;
	}
	b->bus = n->bus;
	b->on_change = on_change;
	b->data = data;
	timeout_init(&b->timeout, bus_timeouts(n->bus));
	timeout_start(&b->timeout, BRIDGE_LOOK_MS, on_timer);
	*ret = b;
	return 0;
}

void bridge_close(struct bridge **bp)
{
	struct bridge *b = TAKE(*bp);
	struct native_node *n, *next;

	if (!b)
		return;
	kv_watch_stop(&b->watch);
	timeout_stop(&b->timeout);
	HASH_ITER (hh, b->nodes, n, next)
		forget(b, n);
	free(b);
}
