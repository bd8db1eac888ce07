/*
 * The buckets `lanes` and `settings` as this node sees them. Every change is
 * a review of the lanes it concerns, and a review is idempotent, as a watch
 * that starts anew tells everything again.
 *
 * Well: the router makes a lane, the bucket tells it, its type and
 * capabilities fit, the puller serves it. Badly: an entry that can't be read
 * is logged and left alone; a lane that vanished while the watch was down is
 * noticed when the next listing is complete.
 */
#include "node/lanes.h"

#include <jansson.h>
#include <uthash.h>

#include "common/jetstream.h"
#include "common/log.h"
#include "node/bridge.h"
#include "node/puller.h"

struct known_lane {
	char name[LANE_MAX + 1];
	struct lane lane;
	uint64_t listing; /* the last one that told it */
	UT_hash_handle hh;
};

struct paused_lane {
	char name[LANE_MAX + 1];
	UT_hash_handle hh;
};

struct lanes {
	struct node *node;
	struct known_lane *known;
	struct paused_lane *paused;
	struct kv_watch *lanes_watch, *settings_watch;
	struct bridge *bridge;
	uint64_t listing;
	bool complete;
};

static struct handler *handler_for(const struct lanes *ls, const struct lane *l)
{
	const struct node_config *c = ls->node->config;
	struct handler *h = handlers_find(ls->node->handlers, l->type);

	if (!lane_served_by(l, c->capabilities, c->ncapabilities))
		return NULL;
	if (!h && ls->bridge && bridge_wants(ls->bridge, l->type))
		h = handlers_bridge(ls->node->handlers, l->type);
	return h;
}

static bool is_paused(const struct lanes *ls, const char *name)
{
	struct paused_lane *p;

	HASH_FIND_STR(ls->paused, name, p);
	return p != NULL;
}

static void review(struct lanes *ls, const struct known_lane *k)
{
	struct handler *h = handler_for(ls, &k->lane);

	if (!h) {
		puller_drop(ls->node->puller, k->name);
		return;
	}
	puller_serve(ls->node->puller, &k->lane, h);
	puller_pause(ls->node->puller, k->name, is_paused(ls, k->name));
}

static void on_bridge_change(void *data)
{
	struct lanes *ls = data;

	for (const struct known_lane *k = ls->known; k; k = k->hh.next)
		review(ls, k);
}

static void forget(struct lanes *ls, struct known_lane *k)
{
	puller_drop(ls->node->puller, k->name);
	HASH_DEL(ls->known, k);
	free(k);
}

static void on_listed(struct lanes *ls)
{
	struct known_lane *k, *next;

	HASH_ITER(hh, ls->known, k, next)
	{
		if (k->listing != ls->listing)
			forget(ls, k);
	}
	ls->listing++;
	ls->complete = true;
}

static void on_lane(void *data, const struct kv_entry *entry)
{
	struct lanes *ls = data;
	struct known_lane *k;
	struct lane lane;
	struct err e;

	if (!entry->key) {
		on_listed(ls);
		return;
	}
	HASH_FIND_STR(ls->known, entry->key, k);
	if (entry->deleted) {
		if (k)
			forget(ls, k);
		return;
	}
	/* The key says all: type and capabilities. */
	if (lane_parse(entry->key, &lane, &e)) {
		log_warn("not a lane; ignored", LOG_S("bucket", "lanes"), LOG_S("error", e.text));
		return;
	}
	if (!k) {
		if (HASH_COUNT(ls->known) >= LANES_KNOWN_MAX) {
			log_warn("too many lanes; this one is ignored", LOG_S("lane", lane.name));
			return;
		}
		k = xcalloc(1, sizeof(*k));
		k->lane = lane;
		memcpy(k->name, lane.name, sizeof(k->name));
		HASH_ADD_STR(ls->known, name, k);
	}
	k->listing = ls->listing;
	review(ls, k);
}

static bool says_paused(const struct kv_entry *entry)
{
	json_t *j = entry->deleted ? NULL : json_loadb(entry->value, entry->len, 0, NULL);
	bool paused = json_is_true(json_object_get(j, "paused"));

	json_decref(j);
	return paused;
}

static void on_setting(void *data, const struct kv_entry *entry)
{
	struct lanes *ls = data;
	struct paused_lane *p;
	struct known_lane *k;

	if (!entry->key || strncmp(entry->key, "lane.", 5) != 0 || strlen(entry->key + 5) > LANE_MAX)
		return;
	const char *name = entry->key + 5;
	HASH_FIND_STR(ls->paused, name, p);
	bool paused = says_paused(entry);
	if (paused && !p && HASH_COUNT(ls->paused) < LANES_KNOWN_MAX) {
		p = xcalloc(1, sizeof(*p));
		memcpy(p->name, name, strlen(name) + 1);
		HASH_ADD_STR(ls->paused, name, p);
	} else if (!paused && p) {
		HASH_DEL(ls->paused, p);
		free(p);
	}
	HASH_FIND_STR(ls->known, name, k);
	if (k)
		review(ls, k);
}

int lanes_open(struct node *n, struct lanes **ret, struct err *e)
{
	struct lanes *ls = xcalloc(1, sizeof(*ls));
	int rc = 0;

	ls->node = n;
	ls->listing = 1;
	if (n->config->bridge)
		rc = bridge_open(n, on_bridge_change, ls, &ls->bridge, e);
	/* Pauses first: then a paused lane is known as such before it is asked. */
	if (!rc)
		rc = kv_watch(n->bus, "settings", "lane.>", on_setting, ls, &ls->settings_watch, e);
	if (!rc)
		rc = kv_watch(n->bus, "lanes", ">", on_lane, ls, &ls->lanes_watch, e);
	if (rc) {
		lanes_close(&ls);
		return rc;
	}
	*ret = ls;
	return 0;
}

void lanes_close(struct lanes **lsp)
{
	struct lanes *ls = TAKE(*lsp);
	struct known_lane *k, *next_known;
	struct paused_lane *p, *next_paused;

	if (!ls)
		return;
	kv_watch_stop(&ls->lanes_watch);
	kv_watch_stop(&ls->settings_watch);
	bridge_close(&ls->bridge);
	HASH_ITER(hh, ls->known, k, next_known)
	{
		HASH_DEL(ls->known, k);
		free(k);
	}
	HASH_ITER(hh, ls->paused, p, next_paused)
	{
		HASH_DEL(ls->paused, p);
		free(p);
	}
	free(ls);
}

struct handler *lanes_handler(const struct lanes *ls, const struct lane *lane)
{
	return ls && lane->name[0] ? handler_for(ls, lane) : NULL;
}

bool lanes_known(const struct lanes *ls)
{
	return ls && ls->complete;
}
