/*
 * The bucket `nodes` as it is heard. It stands alone so that whoever needs to
 * know a node asks here and not the broker. A status that can't be read is
 * ignored: a node in another language is no reason to stop.
 */
#include "common/roster.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"

#define FORGET_MS 120000 /* a lost node is shown for so long */
#define NODES_MAX 10000

struct roster {
	struct roster_events events;
	struct kv_watch *watch;
	struct node_entry *all;
	struct timeout timeout;
	uint64_t generation;
	bool told;
};

static void remove_node(struct roster *r, struct node_entry *n)
{
	r->generation++;
	HASH_DEL(r->all, n);
	codec_free(&n->status->base);
	free(n);
}

static void on_timeout(struct timeout *t)
{
	struct roster *r = container_of(t, struct roster, timeout);
	int64_t now_ms = clock_mono_ms();
	struct node_entry *n, *tmp;

	HASH_ITER (hh, r->all, n, tmp) {
		if (now_ms - MAX_OF(n->seen_mono_ms, n->excused_mono_ms) <= FORGET_MS)
			continue;
		if (r->events.on_node)
			r->events.on_node(r->events.data, n, true);
		remove_node(r, n);
	}
	timeout_start(t, FORGET_MS / 4, on_timeout);
}

/* Whether a status says anything else of what the node can do. */
static bool differs(const Millrace__NodeStatus *a, const Millrace__NodeStatus *b)
{
	if (a->state != b->state || a->bridge != b->bridge || a->direct != b->direct ||
		a->n_types != b->n_types || a->n_capabilities != b->n_capabilities ||
		!str_eq(a->instance, b->instance))
		return true;
	for (size_t i = 0; i < a->n_types; i++) {
		if (!str_eq(a->types[i], b->types[i]))
			return true;
	}
	return false;
}

static void put(struct roster *r, const char *name, const struct kv_entry *entry)
{
	ProtobufCMessage *m = NULL;
	struct node_entry *n;
	struct err e;

	if (codec_from_json_text(&millrace__node_status__descriptor, entry->value, entry->len,
							 CODEC_LENIENT, &m, &e)) {
		log_debug("a node's status can't be read, ignored", LOG_S("node", name),
				  LOG_S("why", e.text));
		return;
	}
	HASH_FIND_STR(r->all, name, n);
	if (!n && HASH_COUNT(r->all) >= NODES_MAX) {
		codec_free(m);
		return;
	}
	if (!n) {
		n = xcalloc(1, sizeof(*n));
		memcpy(n->name, name, strlen(name) + 1);
		HASH_ADD_STR(r->all, name, n);
		log_info("node appeared", LOG_S("node", name));
		r->generation++;
	} else {
		r->generation += differs(n->status, (const Millrace__NodeStatus *)m);
		codec_free(&n->status->base);
	}
	n->status = (Millrace__NodeStatus *)m;
	/* A value that lay there before we came may be old: then the clocks' difference is the best
	 * guess. */
	int64_t age_ms =
		entry->stored_wall_ns ? (clock_wall_ns() - entry->stored_wall_ns) / NS_PER_MS : 0;
	n->seen_mono_ms = clock_mono_ms() - (age_ms > NODE_LOST_MS ? age_ms : 0);
	if (r->events.on_node)
		r->events.on_node(r->events.data, n, false);
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct roster *r = data;
	struct node_entry *n;

	if (!entry->key) {
		r->told = true;
		if (r->events.on_told)
			r->events.on_told(r->events.data);
		return;
	}
	if (!token_ok(entry->key, strlen(entry->key)))
		return;
	if (!entry->deleted) {
		put(r, entry->key, entry);
		return;
	}
	HASH_FIND_STR(r->all, entry->key, n);
	if (n) {
		log_info("node left", LOG_S("node", n->name));
		if (r->events.on_node)
			r->events.on_node(r->events.data, n, true);
		remove_node(r, n);
	}
}

const struct node_entry *roster_find(const struct roster *r, const char *name)
{
	struct node_entry *n;

	HASH_FIND_STR(r->all, name, n);
	return n;
}

const struct node_entry *roster_first(const struct roster *r)
{
	return r->all;
}

const char *node_state(const struct node_entry *n, int64_t now_mono_ms)
{
	if (now_mono_ms - MAX_OF(n->seen_mono_ms, n->excused_mono_ms) > NODE_LOST_MS)
		return "lost";
	if (n->status->state == MILLRACE__NODE_STATE__NODE_STATE_DRAINING)
		return "draining";
	if (n->status->state == MILLRACE__NODE_STATE__NODE_STATE_STOPPED)
		return "stopped";
	return "ready";
}

bool node_has_type(const struct node_entry *n, const char *type)
{
	const Millrace__NodeStatus *s = n->status;

	for (size_t i = 0; i < s->n_types; i++) {
		if (str_eq(s->types[i], type))
			return true;
	}
	return false;
}

uint64_t roster_generation(const struct roster *r)
{
	return r->generation;
}

void roster_excuse(struct roster *r, int64_t now_mono_ms)
{
	for (struct node_entry *n = r->all; n; n = n->hh.next) {
		if (!str_eq(node_state(n, now_mono_ms), "lost"))
			n->excused_mono_ms = now_mono_ms;
	}
}

struct roster *roster_new(struct timeouts *all, const struct roster_events *ev)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	r->events = *ev;
	timeout_init(&r->timeout, all);
	timeout_start(&r->timeout, FORGET_MS / 4, on_timeout);
	return r;
}

int roster_watch(struct roster *r, struct bus *bus, struct err *e)
{
	return kv_watch(bus, "nodes", ">", on_entry, r, &r->watch, e);
}

bool roster_known(const struct roster *r)
{
	return r->told;
}

void roster_stop(struct roster *r)
{
	if (r)
		kv_watch_stop(&r->watch);
}

void roster_free(struct roster **pr)
{
	struct roster *r = TAKE(*pr);
	struct node_entry *n, *tmp;

	if (!r)
		return;
	HASH_ITER (hh, r->all, n, tmp)
		remove_node(r, n);
	free(r);
}
