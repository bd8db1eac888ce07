/*
 * The lanes as this router knows them. Going well, a lane is READY because
 * the bucket `lanes` says so, or is made within milliseconds while its tasks
 * wait here. A lane that can't be made sends its waiting tasks to DELAYED and
 * rests for a while; a broker that is away leaves them waiting. Only so many
 * are made at once, only so many tasks wait for one lane, and only so many
 * lanes may be: a publisher who invents types costs dead letters, not the
 * broker.
 */
#include "router/lanes.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "router/dispatch.h"
#include "router/balance_rules.h"
#include "router/lane_limit.h"
#include "router/lane_maker.h"
#include "router/place.h"
#include "router/purge.h"
#include "router/setting.h"
#include "router/transit.h"

#define MAKING_MAX 32
#define REST_MS 5000 /* after the broker refused to make a lane */
#define RETRY_MS 500 /* while the broker does not answer */
#define UNTIL_LOOK_MS 3600000

struct lanes {
	struct router *router;
	struct lane_templates *templates;
	struct lane_entry *all;
	struct kv_watch *lanes_watch, *settings_watch;
	bool lanes_told, settings_told;
	unsigned making;        /* makers under way */
	struct timeout timeout; /* the next look at what waits to be made */
	int64_t full_said_mono_ms;
};

static void start_makers(struct lanes *ls);
static void arm_until(struct lane_entry *l);

/* ---- the table ---- */

struct lane_entry *lanes_find(struct lanes *ls, const char *name)
{
	struct lane_entry *l;

	HASH_FIND_STR(ls->all, name, l);
	return l;
}

struct lane_entry *lanes_first(struct lanes *ls)
{
	return ls->all;
}

static struct lane_entry *add(struct lanes *ls, const struct lane *lane)
{
	struct lane_entry *l = xcalloc(1, sizeof(*l));

	l->lane = *lane;
	for (int c = 0; c < CLASS_COUNT; c++)
		snprintf(l->subject[c], sizeof(l->subject[c]), "work.%s.%s", lane->name,
				 task_class_name((enum task_class)c));
	l->lanes = ls;
	l->router = ls->router;
	timeout_init(&l->until, ls->router->timeouts);
	timeout_init(&l->lowering, ls->router->timeouts);
	l->balance = balance_rules_of(ls->router->balance_rules, lane);
	HASH_ADD_STR(ls->all, lane.name, l);
	metric_set(ls->router->stats.lanes, (double)HASH_COUNT(ls->all));
	return l;
}

/* A lane that is gone and that nobody speaks of is forgotten. */
static void maybe_forget(struct lane_entry *l)
{
	struct lanes *ls = l->lanes;

	if (l->refs > 0 || l->state != LANE_ABSENT || !lane_setting_empty(&l->set) || l->purge)
		return;
	timeout_stop(&l->until);
	timeout_stop(&l->lowering);
	HASH_DEL(ls->all, l);
	metric_set(ls->router->stats.lanes, (double)HASH_COUNT(ls->all));
	lane_nodes_free(&l->nodes);
	free(l);
}

void lane_ref(struct lane_entry *l)
{
	l->refs++;
}

void lane_unref(struct lane_entry **pl)
{
	struct lane_entry *l = TAKE(*pl);

	l->refs--;
	maybe_forget(l);
}

int lanes_get(struct lanes *ls, const struct lane *lane, struct lane_entry **ret, struct err *e)
{
	struct lane_entry *l = lanes_find(ls, lane->name);

	if (!l) {
		if (HASH_COUNT(ls->all) >= (size_t)ls->router->config.lanes_max) {
			int64_t now_ms = clock_mono_ms();
			if (now_ms - ls->full_said_mono_ms > 60000 || !ls->full_said_mono_ms) {
				ls->full_said_mono_ms = now_ms;
				log_warn("no more lanes are made; their tasks become dead letters",
						 LOG_I("lanes", ls->router->config.lanes_max), LOG_S("lane", lane->name));
			}
			return err_set(
				e, ERR_FULL,
				"lane %s can't be made: there are %lld lanes, as many as lanes.max allows; "
				"delete lanes that are not used, or raise it",
				lane->name, (long long)ls->router->config.lanes_max);
		}
		l = add(ls, lane);
	}
	lane_ref(l);
	*ret = l;
	return 0;
}

/* ---- who waits ---- */

static struct transit *take_first(struct lane_entry *l)
{
	struct transit *t = l->waiting;

	if (!t)
		return NULL;
	DL_DELETE2(l->waiting, t, qprev, qnext);
	l->nwaiting--;
	l->waiting_bytes -= t->bytes;
	return t;
}

static void release_waiting(struct lane_entry *l)
{
	struct transit *t;

	/* Each may come back here (lane_await), but only behind a publish that fails later. */
	for (size_t n = l->nwaiting; n > 0 && (t = take_first(l)); n--) {
		if (l->state == LANE_READY)
			dispatch_to_lane(t);
		else
			lane_await(l, t); /* it rests: to DELAYED, unless the lane may have it already */
	}
}

void lane_await(struct lane_entry *l, struct transit *t)
{
	struct lanes *ls = l->lanes;
	bool resting = l->state == LANE_ABSENT && clock_mono_ms() < l->again_mono_ms;
	/* One lane in the making may have half of all that may be in flight. */
	const struct router_config *c = &ls->router->config;
	bool crowded = l->nwaiting >= (size_t)c->in_flight / 2 ||
				   l->waiting_bytes + t->bytes > (size_t)c->in_flight_bytes / 2;

	/* What may be on the lane already must not go elsewhere as well. */
	if ((resting || crowded) && !t->published) {
		dispatch_defer(t);
		return;
	}
	DL_APPEND2(l->waiting, t, qprev, qnext);
	l->nwaiting++;
	l->waiting_bytes += t->bytes;
	if (l->state == LANE_ABSENT)
		start_makers(ls);
}

void lane_lost(struct lane_entry *l)
{
	if (l->state != LANE_READY)
		return;
	log_warn("the lane's stream is gone, making it anew", LOG_S("lane", l->lane.name));
	l->state = LANE_ABSENT;
	l->again_mono_ms = 0;
}

/* ---- making ---- */

static void on_timeout(struct timeout *t)
{
	start_makers(container_of(t, struct lanes, timeout));
}

static void on_made(void *data, const struct err *e)
{
	struct lane_entry *l = data;
	struct lanes *ls = l->lanes;
	bool later = e && (e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT);

	ls->making--;
	if (!e) {
		log_info("lane made", LOG_S("lane", l->lane.name));
		l->state = LANE_READY;
		l->again_mono_ms = 0;
		release_waiting(l);
	} else if (later && !bus_is_up(ls->router->bus)) {
		l->state = LANE_ABSENT;
	} else if (later) {
		log_warn("lane not made, trying again", LOG_S("lane", l->lane.name), LOG_S("why", e->text),
				 LOG_I("retry_ms", RETRY_MS));
		l->state = LANE_ABSENT;
		l->again_mono_ms = clock_mono_ms() + RETRY_MS;
	} else {
		log_error("lane not made; its tasks are delayed", LOG_S("lane", l->lane.name),
				  LOG_S("why", e->text), LOG_I("retry_ms", REST_MS), LOG_I("waiting", l->nwaiting));
		l->state = LANE_ABSENT;
		l->again_mono_ms = clock_mono_ms() + REST_MS;
		release_waiting(l);
	}
	lane_unref(&l);
	start_makers(ls);
}

static void start_maker(struct lanes *ls, struct lane_entry *l)
{
	struct err e;

	if (lane_maker_start(ls->router->bus, ls->templates, &l->lane, l->set.limit, on_made, l, &e)) {
		log_warn("lane not made, trying again", LOG_S("lane", l->lane.name), LOG_S("why", e.text));
		l->again_mono_ms = clock_mono_ms() + RETRY_MS;
		return;
	}
	l->state = LANE_MAKING;
	lane_ref(l);
	ls->making++;
}

/*
 * Lanes are made rarely, and the scan is over a few thousand entries: it stops at MAKING_MAX, and
 * a maker's end comes here again.
 */
static void start_makers(struct lanes *ls)
{
	int64_t now_ms = clock_mono_ms(), next_ms = INT64_MAX;
	struct lane_entry *l, *tmp;

	if (!bus_is_up(ls->router->bus))
		return; /* lanes_poke comes with the connection */
	HASH_ITER (hh, ls->all, l, tmp) {
		if (ls->making >= MAKING_MAX)
			break;
		if (l->state == LANE_ABSENT && l->waiting && now_ms >= l->again_mono_ms)
			start_maker(ls, l);
		if (l->state == LANE_ABSENT && l->waiting)
			next_ms = MIN_OF(next_ms, l->again_mono_ms);
	}
	if (next_ms != INT64_MAX)
		timeout_start(&ls->timeout, MAX_OF(next_ms - now_ms, 1), on_timeout);
}

/* ---- what the buckets say ---- */

static void on_lane_entry(void *data, const struct kv_entry *entry)
{
	struct lanes *ls = data;
	struct lane lane;
	struct lane_entry *l;
	struct err e;

	if (!entry->key) {
		ls->lanes_told = true;
		router_learned(ls->router);
		return;
	}
	if (lane_parse(entry->key, &lane, &e)) {
		log_warn("a key of bucket lanes is no lane, ignored", LOG_S("why", e.text));
		return;
	}
	l = lanes_find(ls, lane.name);
	if (!l && !entry->deleted)
		l = add(ls, &lane);
	if (!l || l->state == LANE_MAKING)
		return;
	if (entry->deleted) {
		l->state = LANE_ABSENT;
		l->again_mono_ms = 0;
		if (l->waiting)
			start_makers(ls);
		maybe_forget(l);
		return;
	}
	l->state = LANE_READY;
	lane_ref(l);
	release_waiting(l);
	lane_unref(&l);
}

/* Out of the setting, so that a node that reads only `paused` sees it too. Any router may do it. */
static bool tidy(void *data UNUSED, json_t *setting)
{
	CLEANUP(free_ptr) char *text = json_dumps(setting, JSON_COMPACT);
	struct lane_setting now;

	/* Somebody may have paused it anew meanwhile. */
	if (lane_setting_parse(text, strlen(text), &now, NULL) || !lane_setting_over(&now, clock_wall_ns()))
		return false;
	return lane_setting_resume(setting);
}

static void on_until(struct timeout *t)
{
	struct lane_entry *l = container_of(t, struct lane_entry, until);

	if (!lane_setting_over(&l->set, clock_wall_ns())) {
		arm_until(l);
		return;
	}
	log_info("lane resumed: its pause is over", LOG_S("lane", l->lane.name));
	setting_change(l->router, l->lane.name, tidy, NULL, NULL);
}

/* Not longer than a timer can hold, and a wall clock may be set meanwhile. */
static void arm_until(struct lane_entry *l)
{
	int64_t left_ms = (l->set.until_wall_ns - clock_wall_ns()) / NS_PER_MS + 1;

	if (l->set.paused && l->set.until_wall_ns && !l->set.guarded)
		timeout_start(&l->until, MIN_OF(MAX_OF(left_ms, 0), UNTIL_LOOK_MS), on_until);
	else
		timeout_stop(&l->until);
}

static void apply(struct lane_entry *l, const struct lane_setting *set)
{
	struct lanes *ls = l->lanes;
	int64_t now_ns = clock_wall_ns();
	bool was = lane_setting_paused(&l->set, now_ns), is = lane_setting_paused(set, now_ns);
	uint64_t limit = l->set.limit;

	l->set = *set;
	if (was != is)
		log_info(is ? "lane paused; its tasks wait there" : "lane resumed",
				 LOG_S("lane", l->lane.name), LOG_S("reason", set->reason));
	arm_until(l);
	/* Told anew at each start: the limit may have been changed while nobody looked. */
	if ((limit != set->limit || (set->limit && !ls->settings_told)) && l->state != LANE_MAKING)
		lane_limit_apply(l, lane_templates_limit(ls->templates));
	if (set->purge_upto && ls->router->opened)
		purge_begin(l);
	maybe_forget(l);
}

void lanes_go_on(struct lanes *ls)
{
	for (struct lane_entry *l = ls->all; l; l = l->hh.next) {
		if (l->set.purge_upto)
			purge_begin(l);
	}
}

static void on_setting(void *data, const struct kv_entry *entry)
{
	struct lanes *ls = data;
	struct lane_setting set;
	struct lane lane;
	struct lane_entry *l;
	struct err e;

	if (!entry->key) {
		ls->settings_told = true;
		router_learned(ls->router);
		return;
	}
	if (strncmp(entry->key, LANE_SETTING_PREFIX, strlen(LANE_SETTING_PREFIX)) != 0)
		return;
	if (lane_parse(entry->key + strlen(LANE_SETTING_PREFIX), &lane, &e)) {
		log_warn("a setting is of no lane, ignored", LOG_S("why", e.text));
		return;
	}
	if (lane_setting_parse(entry->value, entry->deleted ? 0 : entry->len, &set, &e))
		log_warn("a part of a lane's setting is not understood and does not hold",
				 LOG_S("lane", lane.name), LOG_S("why", e.text));
	l = lanes_find(ls, lane.name);
	if (!l && !lane_setting_empty(&set))
		l = add(ls, &lane);
	if (l)
		apply(l, &set);
}

/* ---- begin and end ---- */

int lanes_new(struct router *r, struct lanes **ret, struct err *e)
{
	struct lanes *ls = xcalloc(1, sizeof(*ls));

	ls->router = r;
	timeout_init(&ls->timeout, r->timeouts);
	*ret = ls;
	return lane_templates_new(&ls->templates, e);
}

void lanes_poke(struct lanes *ls)
{
	start_makers(ls);
}

int lanes_watch(struct lanes *ls, struct err *e)
{
	int rc = kv_watch(ls->router->bus, "lanes", ">", on_lane_entry, ls, &ls->lanes_watch, e);

	if (rc)
		return rc;
	return kv_watch(ls->router->bus, "settings", "lane.>", on_setting, ls, &ls->settings_watch, e);
}

void lanes_replicas(struct lanes *ls, int64_t n)
{
	lane_templates_replicas(ls->templates, n);
}

bool lanes_known(const struct lanes *ls)
{
	return ls->lanes_told && ls->settings_told;
}

void lanes_stop(struct lanes *ls)
{
	struct lane_entry *l, *tmp;

	if (!ls)
		return;
	kv_watch_stop(&ls->lanes_watch);
	kv_watch_stop(&ls->settings_watch);
	HASH_ITER (hh, ls->all, l, tmp) {
		timeout_stop(&l->lowering);
		purge_free(&l->purge);
	}
}

void lanes_free(struct lanes **pls)
{
	struct lanes *ls = TAKE(*pls);
	struct lane_entry *l, *tmp;

	if (!ls)
		return;
	HASH_ITER (hh, ls->all, l, tmp) {
		HASH_DEL(ls->all, l);
		lane_nodes_free(&l->nodes);
		free(l);
	}
	lane_templates_free(&ls->templates);
	free(ls);
}
