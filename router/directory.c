/*
 * The nodes as they say themselves. It stands alone so that whoever needs to
 * know a node asks here and not the broker. A status is put every two
 * seconds; silence of eight means lost, by our own clock, since a key's expiry
 * is told to nobody. A status that can't be read is ignored: a node in another
 * language is no reason to stop.
 */
#include "router/directory.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/task.h"

#define FORGET_MS 120000 /* a lost node is shown for so long */
#define NODES_MAX 10000

struct directory {
	struct router *router;
	struct kv_watch *watch;
	struct node_entry *all;
	struct timeout timeout;
	uint64_t generation;
	bool told;
};

static void remove_node(struct directory *d, struct node_entry *n)
{
	d->generation++;
	HASH_DEL(d->all, n);
	codec_free(&n->status->base);
	free(n);
}

static void on_timeout(struct timeout *t)
{
	struct directory *d = container_of(t, struct directory, timeout);
	int64_t now_ms = clock_mono_ms();
	struct node_entry *n, *tmp;

	HASH_ITER (hh, d->all, n, tmp) {
		if (now_ms - n->seen_mono_ms > FORGET_MS)
			remove_node(d, n);
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

static void put(struct directory *d, const char *name, const struct kv_entry *entry)
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
	HASH_FIND_STR(d->all, name, n);
	if (!n && HASH_COUNT(d->all) >= NODES_MAX) {
		codec_free(m);
		return;
	}
	if (!n) {
		n = xcalloc(1, sizeof(*n));
		memcpy(n->name, name, strlen(name) + 1);
		HASH_ADD_STR(d->all, name, n);
		log_info("node appeared", LOG_S("node", name));
		d->generation++;
	} else {
		d->generation += differs(n->status, (const Millrace__NodeStatus *)m);
		codec_free(&n->status->base);
	}
	n->status = (Millrace__NodeStatus *)m;
	/* A value that lay there before we came may be old: then the clocks' difference is the best
	 * guess. */
	int64_t age_ms =
		entry->stored_wall_ns ? (clock_wall_ns() - entry->stored_wall_ns) / NS_PER_MS : 0;
	n->seen_mono_ms = clock_mono_ms() - (age_ms > NODE_LOST_MS ? age_ms : 0);
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct directory *d = data;
	struct node_entry *n;

	if (!entry->key) {
		d->told = true;
		router_learned(d->router);
		return;
	}
	if (!token_ok(entry->key, strlen(entry->key)))
		return;
	if (!entry->deleted) {
		put(d, entry->key, entry);
		return;
	}
	HASH_FIND_STR(d->all, entry->key, n);
	if (n) {
		log_info("node left", LOG_S("node", n->name));
		remove_node(d, n);
	}
}

const struct node_entry *directory_find(const struct directory *d, const char *name)
{
	struct node_entry *n;

	HASH_FIND_STR(d->all, name, n);
	return n;
}

const struct node_entry *directory_first(const struct directory *d)
{
	return d->all;
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

static bool has_type(const Millrace__NodeStatus *s, const char *type)
{
	for (size_t i = 0; i < s->n_types; i++) {
		if (str_eq(s->types[i], type))
			return true;
	}
	return false;
}

static bool capable(const struct node_entry *n, const struct lane *lane)
{
	return lane_served_by(lane, (const char *const *)n->status->capabilities,
						  n->status->n_capabilities);
}

unsigned directory_each_serving(const struct directory *d, const struct lane *lane,
								void (*each)(void *data, const struct node_entry *n), void *data)
{
	int64_t now_ms = clock_mono_ms();
	bool known = false; /* to a node by itself, as a bridge sees it: whatever its capabilities */
	unsigned many = 0;

	for (const struct node_entry *n = d->all; n && !known; n = n->hh.next)
		known = !n->status->bridge && has_type(n->status, lane->type) &&
				str_eq(node_state(n, now_ms), "ready");
	for (const struct node_entry *n = d->all; n; n = n->hh.next) {
		bool native = has_type(n->status, lane->type);
		if (!str_eq(node_state(n, now_ms), "ready") || !capable(n, lane) ||
			(!native && (known || !n->status->bridge)))
			continue;
		if (each)
			each(data, n);
		many++;
	}
	return many;
}

unsigned directory_serving(const struct directory *d, const struct lane *lane)
{
	return directory_each_serving(d, lane, NULL, NULL);
}

struct beside {
	const char *list;
	unsigned many;
};

static void count_beside(void *data, const struct node_entry *n)
{
	struct beside *b = data;

	b->many += !names_have(b->list, n->name);
}

unsigned directory_serving_beside(const struct directory *d, const struct lane *lane,
								  const char *list)
{
	struct beside b = {.list = list};

	directory_each_serving(d, lane, count_beside, &b);
	return b.many;
}

uint64_t directory_generation(const struct directory *d)
{
	return d->generation;
}

void directory_excuse(struct directory *d, int64_t now_mono_ms)
{
	for (struct node_entry *n = d->all; n; n = n->hh.next) {
		if (!str_eq(node_state(n, now_mono_ms), "lost"))
			n->excused_mono_ms = now_mono_ms;
	}
}

struct directory *directory_new(struct router *r)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	d->router = r;
	timeout_init(&d->timeout, r->timeouts);
	timeout_start(&d->timeout, FORGET_MS / 4, on_timeout);
	return d;
}

int directory_watch(struct directory *d, struct err *e)
{
	return kv_watch(d->router->bus, "nodes", ">", on_entry, d, &d->watch, e);
}

bool directory_known(const struct directory *d)
{
	return d->told;
}

void directory_stop(struct directory *d)
{
	kv_watch_stop(&d->watch);
}

void directory_free(struct directory **pd)
{
	struct directory *d = TAKE(*pd);
	struct node_entry *n, *tmp;

	if (!d)
		return;
	HASH_ITER (hh, d->all, n, tmp)
		remove_node(d, n);
	free(d);
}
