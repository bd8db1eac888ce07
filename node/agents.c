/*
 * The bucket `agents` as one node sees it, and what follows: processes come
 * and go by it, and with them the types and slots of this node. It stands
 * alone between who decides (the scaler writes the bucket) and who executes
 * (handlers/spawned.c).
 *
 * Well: an entry that names this node comes, its role has a handler, the agent
 * is hosted; it names another node or is deleted, the agent is dismissed, done
 * with what it has; the node starts again under its name, the bucket tells it
 * all, and its agents are back. Badly: an entry can't be read, its role has no
 * handler here, all places are taken: one line in the log, and it waits: the
 * last for a place to become free. An entry that became unreadable leaves the
 * agent that is here as it is. The broker is away: nothing comes or goes.
 */
#include "node/agents.h"

#include <stdio.h>
#include <uthash.h>

#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"
#include "node/agent_entry.h"
#include "node/lanes.h"
#include "node/puller.h"
#include "node/registry.h"

struct known_agent {
	struct agent_entry entry;
	struct handler *handler; /* that hosts it; NULL: it is not hosted */
	uint64_t revision, listing;
	UT_hash_handle hh;
};

struct agents {
	struct node *node;
	struct kv_watch *watch;
	struct known_agent *known; /* in the order in which they came */
	uint64_t listing;
	unsigned hosted;
	struct metric *gauge;
	bool refreshing;
};

bool agents_wanted(const struct node *n)
{
	if (!n->handlers)
		return false; /* it is leaving, and answers still come */
	for (size_t i = 0; n->config->agents_max && i < handlers_count(n->handlers); i++) {
		if (handlers_at(n->handlers, i)->hosting)
			return true;
	}
	return false;
}

/* ---- what follows of it for the node ---- */

/* Rare, for agents seldom come and go, and processes are not started again at once for ever. */
static void refresh(void *data)
{
	struct node *n = data;
	struct agents *as = n->agents;

	if (!as)
		return;
	as->refreshing = false;
	for (size_t i = 0; i < handlers_count(n->handlers); i++) {
		const struct handler *h = handlers_at(n->handlers, i);
		if (h->hosting)
			puller_room(n->puller, h);
	}
	lanes_review(n->lanes);
	registry_changed(n->registry);
	node_settled(n);
}

void agents_on_hosted(void *data)
{
	struct node *n = data;

	if (!n->agents || n->agents->refreshing)
		return;
	n->agents->refreshing = true;
	bus_defer(n->bus, refresh, n);
}

/* ---- who is here ---- */

static void dismiss(struct agents *as, struct known_agent *k)
{
	struct handler *h = TAKE(k->handler);

	if (!h)
		return;
	as->hosted--;
	metric_set(as->gauge, as->hosted);
	log_info("agent leaves", LOG_S("agent", k->entry.id), LOG_S("role", h->type));
	h->hosting->dismiss(h, k->entry.id);
}

static struct handler *handler_of(const struct agents *as, const struct agent_entry *entry)
{
	struct handler *h = handlers_find(as->node->handlers, entry->role);

	return h && h->hosting ? h : NULL;
}

static bool has_place(const struct agents *as)
{
	return as->hosted < (unsigned)as->node->config->agents_max;
}

static void host(struct agents *as, struct known_agent *k, struct handler *h)
{
	const struct handler_agent a = {k->entry.id, k->entry.project, k->entry.heartbeat_ms};

	if (!k->handler) {
		as->hosted++;
		metric_set(as->gauge, as->hosted);
		log_info("agent hosted", LOG_S("agent", a.id), LOG_S("role", h->type),
				 LOG_S("project", a.project));
	}
	k->handler = h;
	h->hosting->host(h, &a);
}

/* A place became free: for whoever waits longest. */
static void fill(struct agents *as)
{
	for (struct known_agent *k = as->known; k && has_place(as); k = k->hh.next) {
		struct handler *h = k->entry.here && !k->handler ? handler_of(as, &k->entry) : NULL;
		if (h)
			host(as, k, h);
	}
}

static void forget(struct agents *as, struct known_agent *k)
{
	dismiss(as, k);
	HASH_DEL(as->known, k);
	free(k);
}

static void place(struct agents *as, struct known_agent *k)
{
	struct handler *h = handler_of(as, &k->entry);

	if (k->handler && k->handler != h)
		dismiss(as, k);
	if (!h)
		log_warn("agent is placed here, but no handler with spawned: true has its role; ignored",
				 LOG_S("agent", k->entry.id), LOG_S("role", k->entry.role));
	else if (!k->handler && !has_place(as))
		log_warn("agent is placed here, but all places are taken; it waits for one",
				 LOG_S("agent", k->entry.id), LOG_S("role", k->entry.role),
				 LOG_I("agents.max", as->node->config->agents_max));
	else
		host(as, k, h);
}

/* ---- the bucket ---- */

static void on_listed(struct agents *as)
{
	struct known_agent *k, *next;

	HASH_ITER (hh, as->known, k, next) {
		if (k->listing != as->listing)
			forget(as, k);
	}
	as->listing++;
	fill(as);
}

static struct known_agent *know(struct agents *as, const char *key)
{
	if (HASH_COUNT(as->known) >= AGENTS_KNOWN_MAX || strlen(key) > TASK_ID_MAX) {
		log_warn("an entry is ignored: too many of them, or too long a key",
				 LOG_S("bucket", "agents"), LOG_I("limit", AGENTS_KNOWN_MAX));
		return NULL;
	}
	struct known_agent *k = xcalloc(1, sizeof(*k));
	snprintf(k->entry.id, sizeof(k->entry.id), "%s", key);
	HASH_ADD_STR(as->known, entry.id, k);
	return k;
}

/* It is new, or says something new. */
static void take(struct agents *as, struct known_agent *k, const struct kv_entry *entry)
{
	struct agent_entry read;
	struct err e;
	int rc =
		agent_entry_read(entry->key, entry->value, entry->len, as->node->config->name, &read, &e);

	if (!k && !rc && !read.here)
		return;
	if (!k && !(k = know(as, entry->key)))
		return;
	k->revision = entry->revision;
	k->listing = as->listing;
	if (rc) {
		log_warn(k->handler ? "not an agent any more; the one that is here stays as it was"
							: "not an agent; ignored",
				 LOG_S("bucket", "agents"), LOG_S("key", k->entry.id), LOG_S("error", e.text));
		return;
	}
	if (!read.here) {
		forget(as, k);
		return;
	}
	k->entry = read;
	place(as, k);
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct agents *as = data;
	struct known_agent *k;

	if (!entry->key) {
		on_listed(as);
		return;
	}
	HASH_FIND_STR(as->known, entry->key, k);
	if (entry->deleted) {
		if (k)
			forget(as, k);
	} else if (k && k->revision == entry->revision) {
		k->listing = as->listing; /* told again */
		return;
	} else {
		take(as, k, entry);
	}
	fill(as);
}

/* ---- life ---- */

int agents_open(struct node *n, struct agents **ret, struct err *e)
{
	struct agents *as = xcalloc(1, sizeof(*as));

	as->node = n;
	as->listing = 1;
	as->gauge = metric_gauge("millrace_node_agents", "Agents hosted here by name.", NULL);
	if (kv_watch(n->bus, "agents", ">", on_entry, as, &as->watch, e)) {
		free(as);
		return e->code;
	}
	*ret = as;
	return 0;
}

void agents_close(struct agents **asp)
{
	struct agents *as = TAKE(*asp);
	struct known_agent *k, *next;

	if (!as)
		return;
	kv_watch_stop(&as->watch);
	HASH_ITER (hh, as->known, k, next) {
		HASH_DEL(as->known, k);
		free(k);
	}
	free(as);
}
