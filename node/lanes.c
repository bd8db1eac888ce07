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

#include <uthash.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/lane_setting.h"
#include "common/log.h"
#include "node/bridge.h"
#include "node/puller.h"

#define UNTIL_LOOK_MS 3600000

struct known_lane {
	char name[LANE_MAX + 1];
	struct lane lane;
	uint64_t listing; /* the last one that told it */
	UT_hash_handle hh;
};

/* What an operator set for a lane, whether it is there or not. */
struct rule {
	char name[LANE_MAX + 1];
	struct lane_setting set;
	struct lanes *lanes;
	struct timeout until; /* the end of its pause */
	UT_hash_handle hh;
};

struct lanes {
	struct node *node;
	struct known_lane *known;
	struct rule *rules;
	struct kv_watch *lanes_watch, *settings_watch;
	struct bridge *bridge;
	uint64_t listing;
	bool complete;
};

static void arm(struct rule *rule);

static struct handler *handler_for(const struct lanes *ls, const struct lane *l)
{
	const struct node_config *c = ls->node->config;
	struct handler *h = handlers_find(ls->node->handlers, l->type);

	if (!lane_served_by(l, c->capabilities, c->ncapabilities))
		return NULL;
	if (h) /* what we host agents of is not bridged while we have none */
		return handler_serves(h) ? h : NULL;
	if (ls->bridge && bridge_wants(ls->bridge, l->type))
		h = handlers_bridge(ls->node->handlers, l->type);
	return h;
}

static void review(struct lanes *ls, const struct known_lane *k)
{
	struct handler *h = handler_for(ls, &k->lane);
	const struct rule *rule;

	if (!h) {
		puller_drop(ls->node->puller, k->name);
		return;
	}
	HASH_FIND_STR(ls->rules, k->name, rule);
	puller_serve(ls->node->puller, &k->lane, h);
	puller_limit(ls->node->puller, k->name, rule ? &rule->set : NULL);
	puller_pause(ls->node->puller, k->name,
				 rule && lane_setting_closed(&rule->set, clock_wall_ns()));
}

void lanes_review(struct lanes *ls)
{
	if (!ls)
		return;
	for (const struct known_lane *k = ls->known; k; k = k->hh.next)
		review(ls, k);
}

static void on_bridge_change(void *data)
{
	lanes_review(data);
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

static void review_named(struct lanes *ls, const char *name)
{
	const struct known_lane *k;

	HASH_FIND_STR(ls->known, name, k);
	if (k)
		review(ls, k);
}

static void on_until(struct timeout *t)
{
	struct rule *rule = container_of(t, struct rule, until);

	if (lane_setting_paused(&rule->set, clock_wall_ns()))
		arm(rule); /* longer than a timer was set for, or the clock was put back */
	review_named(rule->lanes, rule->name);
}

static void arm(struct rule *rule)
{
	int64_t left_ms = (rule->set.until_wall_ns - clock_wall_ns()) / NS_PER_MS + 1;

	timeout_stop(&rule->until);
	if (rule->set.paused && rule->set.until_wall_ns && left_ms > 0)
		timeout_start(&rule->until, MIN_OF(left_ms, UNTIL_LOOK_MS), on_until);
}

static void drop_rule(struct lanes *ls, struct rule *rule)
{
	timeout_stop(&rule->until);
	HASH_DEL(ls->rules, rule);
	free(rule);
}

static void on_setting(void *data, const struct kv_entry *entry)
{
	struct lanes *ls = data;
	struct lane_setting set;
	struct rule *rule;
	struct err e;

	if (!entry->key || strncmp(entry->key, LANE_SETTING_PREFIX, strlen(LANE_SETTING_PREFIX)) != 0 ||
		strlen(entry->key + strlen(LANE_SETTING_PREFIX)) > LANE_MAX)
		return;
	const char *name = entry->key + strlen(LANE_SETTING_PREFIX);
	if (lane_setting_parse(entry->value, entry->deleted ? 0 : entry->len, &set, &e))
		log_warn("a part of a lane's setting is not understood and does not hold",
				 LOG_S("lane", name), LOG_S("error", e.text));
	HASH_FIND_STR(ls->rules, name, rule);
	if (!rule && !lane_setting_empty(&set) && HASH_COUNT(ls->rules) < LANES_KNOWN_MAX) {
		rule = xcalloc(1, sizeof(*rule));
		memcpy(rule->name, name, strlen(name) + 1);
		rule->lanes = ls;
		timeout_init(&rule->until, bus_timeouts(ls->node->bus));
		HASH_ADD_STR(ls->rules, name, rule);
	}
	if (!rule)
		return;
	rule->set = set;
	arm(rule);
	if (lane_setting_empty(&set))
		drop_rule(ls, rule);
	review_named(ls, name);
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
	struct rule *rule, *next_rule;

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
	HASH_ITER(hh, ls->rules, rule, next_rule)
	{
		drop_rule(ls, rule);
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
