/*
 * The picture, and what is told of it. It stands alone between the samples and
 * the hub: with each beat, what changed since it was told last becomes one
 * frame, so there are never more than four a second, however much happens.
 *
 * It goes well: the first listener begins the sampling; when everything was
 * answered once there is a picture, and who waits for it gets a snapshot.
 * It fails: what a component does not answer stays as it was told last, the
 * charts have null for it, and `health` says who is missing and what to do.
 */
#include "gateway/live.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "gateway/delta.h"
#include "gateway/gateway.h"
#include "common/health_view.h"
#include "gateway/overview.h"

#define KEEP_MS 30000 /* sampling goes on after the last one left */
#define MIB ((size_t)1 << 20)

struct waiter {
	void (*fn)(void *data);
	void *data;
	struct waiter *next;
};

struct live {
	struct gateway *gateway;
	struct sampler *sampler;
	struct hub *hub;
	struct waiter *waiters; /* the last one first */
	unsigned dirty;         /* bits of enum sample */
	bool broker_changed;
	bool known;           /* the picture is there, and not from before a pause */
	bool told;            /* a snapshot may have been given */
	char broker_why[400]; /* "" while it is there */
	/* as it was told last: */
	json_t *lanes, *nodes, *pools; /* by name */
	json_t *scaler, *overview, *health;
	json_t *decisions; /* the newest first */
	json_t *history;   /* the oldest first */
	int64_t point_s;   /* of the last one */
	json_t *standing;  /* health_view's */
	struct overview_ends ends;
	struct metric *frames, *streams;
};

/* A heartbeat's age is told when it becomes long; loads by whole percents. */
static const struct delta_slack node_slack[] = {
	{"heartbeat_age_s", 5}, {"cpu_percent", 1}, {"memory_percent", 1}, {NULL, 0}};
static const struct delta_slack pool_slack[] = {{"oldest_s", 1},         {"arrival_per_s", 0.1},
												{"forecast_per_s", 0.1}, {"service_s", 0.001},
												{"wait_s", 0.1},         {NULL, 0}};

/* ---- what is known ---- */

static const json_t *rows(const struct live *l, enum sample which, const char *key)
{
	return json_object_get(sampler_json(l->sampler, which), key);
}

/* Lanes with what waits for its time; null where the store does not tell. Owned; NULL: the router does not answer. */
static json_t *lanes_now(const struct live *l)
{
	const json_t *lanes = rows(l, SAMPLE_LANES, "lanes"),
				 *page = sampler_json(l->sampler, SAMPLE_SCHEDULED);
	json_t *scheduled = json_object(), *list, *row;
	size_t i;

	if (!lanes) {
		json_decref(scheduled);
		return NULL;
	}
	json_array_foreach (json_object_get(page, "lanes"), i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));

		if (name)
			json_object_set(scheduled, name, json_object_get(row, "scheduled"));
	}
	list = json_array();
	json_array_foreach (lanes, i, row) {
		json_t *copy = json_copy(row);
		const char *name = json_string_value(json_object_get(row, "name"));
		json_t *n = json_object_get(scheduled, name ? name : "");

		json_object_set_new(copy, "scheduled",
							!page ? json_null()
							: n   ? json_incref(n)
								  : json_integer(0));
		json_array_append_new(list, copy);
	}
	json_decref(scheduled);
	return list;
}

static struct overview_input overview_input(const struct live *l)
{
	const json_t *dead = sampler_json(l->sampler, SAMPLE_DEAD);

	return (struct overview_input){
		.rates = sampler_rates(l->sampler),
		.ends = &l->ends,
		.stats = sampler_json(l->sampler, SAMPLE_STATS),
		.lanes = rows(l, SAMPLE_LANES, "lanes"),
		.nodes = rows(l, SAMPLE_NODES, "nodes"),
		.pools = rows(l, SAMPLE_POOLS, "pools"),
		.dead_letters = dead ? json_integer_value(json_object_get(dead, "messages")) : -1,
		.target_s = (double)l->gateway->config.sla_target_ns / (double)NS_PER_S,
	};
}

static json_t *health_now(struct live *l)
{
	unsigned ping = sampler_status(l->sampler, SAMPLE_PING);
	const struct health_input in = {
		.broker = !*l->broker_why,
		.broker_why = l->broker_why,
		.asked = sampler_rates(l->sampler) != NULL,
		.database = ping == 200 ? 1
					: ping      ? 0
								: -1,
		.database_why = sampler_why(l->sampler, SAMPLE_PING),
		.rates = sampler_rates(l->sampler),
		.lanes = rows(l, SAMPLE_LANES, "lanes"),
		.nodes = rows(l, SAMPLE_NODES, "nodes"),
		.pools = rows(l, SAMPLE_POOLS, "pools"),
		.checks = rows(l, SAMPLE_HEAL, "checks"),
		.now_mono_ms = clock_mono_ms(),
	};

	return health_view(&in, l->standing);
}

/* ---- what changed ---- */

static void tell_rows(json_t *d, const char *what, json_t *told, const json_t *now, const char *key,
					  const struct delta_slack *slack)
{
	json_t *changed, *gone, *removed;

	if (!now)
		return;
	delta_rows(told, now, key, slack, &changed, &gone);
	if (changed)
		json_object_set_new(d, what, changed);
	if (!gone)
		return;
	removed = json_object_get(d, "removed");
	if (!removed)
		json_object_set_new(d, "removed", removed = json_object());
	json_object_set_new(removed, what, gone);
}

/* now is taken; NULL: not known, and what was told stays. */
static void tell_piece(json_t *d, const char *what, json_t **told, json_t *now)
{
	if (!now || json_equal(*told, now)) {
		json_decref(now);
		return;
	}
	json_object_set(d, what, now);
	json_decref(*told);
	*told = now;
}

static bool has_id(const json_t *list, const char *id)
{
	const json_t *row;
	size_t i;

	json_array_foreach (list, i, row) {
		const char *other = json_string_value(json_object_get(row, "id"));

		if (other && str_eq(other, id))
			return true;
	}
	return false;
}

static void tell_decisions(struct live *l, json_t *d)
{
	json_t *events = (json_t *)(uintptr_t)rows(l, SAMPLE_DECISIONS, "events"), *more, *row;
	size_t i;

	if (!events)
		return;
	more = json_array();
	json_array_foreach (events, i, row) {
		const char *id = json_string_value(json_object_get(row, "id"));

		if (id && !has_id(l->decisions, id))
			json_array_append(more, row);
	}
	if (json_array_size(more)) {
		json_object_set(d, "decisions", more);
		json_decref(l->decisions);
		l->decisions = json_incref(events);
	}
	json_decref(more);
}

static void tell_point(struct live *l, json_t *d)
{
	const struct overview_input in = overview_input(l);
	int64_t now_s = clock_wall_ns() / NS_PER_S;

	if (now_s == l->point_s)
		return;
	l->point_s = now_s;
	json_t *point = overview_point(&in, now_s);

	json_object_set_new(d, "history", json_pack("[O]", point));
	json_array_append_new(l->history, point);
	while (json_array_size(l->history) &&
		   (json_array_size(l->history) > LIVE_POINTS_MAX ||
			now_s - json_integer_value(json_object_get(json_array_get(l->history, 0), "t")) >
				LIVE_POINTS_MAX))
		json_array_remove(l->history, 0);
}

static bool is_dirty(const struct live *l, enum sample which)
{
	return l->dirty & 1u << which;
}

static json_t *at_now(void)
{
	char at[32];

	time_format(clock_wall_ns(), at);
	return json_pack("{s:s}", "at", at);
}

/* What is news; owned. */
static json_t *take_news(struct live *l)
{
	const struct overview_input in = overview_input(l);
	json_t *d = at_now();

	if (is_dirty(l, SAMPLE_LANES) || is_dirty(l, SAMPLE_SCHEDULED)) {
		json_t *lanes = lanes_now(l);

		tell_rows(d, "lanes", l->lanes, lanes, "name", NULL);
		json_decref(lanes);
	}
	if (is_dirty(l, SAMPLE_NODES))
		tell_rows(d, "nodes", l->nodes, in.nodes, "name", node_slack);
	if (is_dirty(l, SAMPLE_POOLS))
		tell_rows(d, "pools", l->pools, in.pools, "pool_name", pool_slack);
	if (is_dirty(l, SAMPLE_SCALER))
		tell_piece(d, "scaler", &l->scaler,
				   json_incref((json_t *)(uintptr_t)sampler_json(l->sampler, SAMPLE_SCALER)));
	if (is_dirty(l, SAMPLE_DECISIONS))
		tell_decisions(l, d);
	if (l->dirty)
		tell_piece(d, "overview", &l->overview, overview_json(&in));
	if (l->dirty || l->broker_changed)
		tell_piece(d, "health", &l->health, health_now(l));
	tell_point(l, d);
	l->dirty = 0;
	l->broker_changed = false;
	return d;
}

static char *dump(const json_t *j)
{
	return json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(15));
}

static void publish(struct live *l, const json_t *d)
{
	CLEANUP(free_ptr) char *text = dump(d);

	if (!text)
		return;
	hub_publish(l->hub, "delta", text, strlen(text));
	metric_add(l->frames, 1);
}

static void run_waiters(struct live *l)
{
	struct waiter *w = TAKE(l->waiters);

	while (w) {
		struct waiter *next = w->next;

		w->fn(w->data);
		free(w);
		w = next;
	}
}

/* ---- the sampler's word ---- */

static void on_sample(void *data, enum sample which)
{
	struct live *l = data;
	const json_t *total = json_object_get(sampler_json(l->sampler, SAMPLE_STATS), "total");

	l->dirty |= 1u << which;
	if (which == SAMPLE_STATS && total)
		overview_note_stats(&l->ends, total, clock_mono_ms());
}

static void on_beat(void *data)
{
	struct live *l = data;
	json_t *d;

	metric_set(l->streams, (double)hub_listeners(l->hub));
	if (hub_listeners(l->hub) > 0)
		sampler_want(l->sampler, KEEP_MS);
	if (!sampler_settled(l->sampler))
		return;
	d = take_news(l);
	/* Before the first snapshot nobody has anything that could change. */
	if (json_object_size(d) > 1 && l->told)
		publish(l, d);
	json_decref(d);
	if (!l->known) {
		l->known = true;
		hub_wake(l->hub);
	}
	run_waiters(l);
}

static void want(struct live *l)
{
	if (!sampler_settled(l->sampler)) { /* it begins (again): what was known is old */
		l->known = false;
		l->ends.n = 0;
	}
	sampler_want(l->sampler, KEEP_MS);
}

/* ---- who asks ---- */

json_t *live_snapshot(const struct live *l)
{
	json_t *s = at_now();

	json_object_set(s, "overview", l->overview);
	json_object_set_new(s, "lanes", delta_list(l->lanes));
	json_object_set_new(s, "nodes", delta_list(l->nodes));
	json_object_set_new(s, "pools", delta_list(l->pools));
	json_object_set(s, "scaler", l->scaler);
	json_object_set(s, "health", l->health);
	json_object_set(s, "history", l->history);
	json_object_set(s, "decisions", l->decisions);
	return s;
}

static bool on_snapshot(void *data, struct buf *out)
{
	struct live *l = data;

	if (!l->known)
		return false;
	json_t *s = live_snapshot(l);
	CLEANUP(free_ptr) char *text = dump(s);

	json_decref(s);
	if (text)
		buf_add_str(out, text);
	l->told = true;
	return text != NULL;
}

static void on_leave(void *data)
{
	struct live *l = data;

	metric_set(l->streams, (double)hub_listeners(l->hub));
}

void live_listen(struct live *l, struct http_request *r, const char *last_id)
{
	want(l);
	hub_listen(l->hub, r, last_id);
	metric_set(l->streams, (double)hub_listeners(l->hub));
}

void live_when_known(struct live *l, void (*fn)(void *data), void *data)
{
	struct waiter *w = xmalloc(sizeof(*w));

	want(l);
	*w = (struct waiter){fn, data, l->waiters};
	l->waiters = w;
}

void live_want_performance(struct live *l)
{
	sampler_want_performance(l->sampler, KEEP_MS);
}

const json_t *live_health(const struct live *l)
{
	return l->health;
}

const json_t *live_overview(const struct live *l)
{
	return l->overview;
}

const struct sampler *live_sampler(const struct live *l)
{
	return l->sampler;
}

size_t live_listeners(const struct live *l)
{
	return hub_listeners(l->hub);
}

void live_broker(struct live *l, const char *why)
{
	snprintf(l->broker_why, sizeof(l->broker_why), "%s", why ? why : "");
	l->broker_changed = true;
	sampler_broker(l->sampler);
}

/* ---- life ---- */

struct live *live_new(struct gateway *g)
{
	struct live *l = xcalloc(1, sizeof(*l));
	const struct sampler_events sampler_events = {on_sample, on_beat, l};
	const struct hub_source source = {on_snapshot, on_leave, l};
	const struct hub_limits limits = {.frames = 1024, .bytes = 8 * MIB, .held_bytes = 16 * MIB};

	l->gateway = g;
	l->sampler = sampler_new(g, &sampler_events);
	l->hub = hub_new(bus_timeouts(g->bus), &limits, &source);
	l->lanes = json_object();
	l->nodes = json_object();
	l->pools = json_object();
	l->scaler = json_object();
	l->overview = json_object();
	l->health = json_object();
	l->decisions = json_array();
	l->history = json_array();
	l->standing = json_object();
	snprintf(l->broker_why, sizeof(l->broker_why), "not connected yet");
	l->frames = metric_counter("millrace_gateway_frames_total",
							   "Frames of /events that were made, each for all listeners.", NULL);
	l->streams =
		metric_gauge("millrace_gateway_streams", "Listeners of /events.", "feed=\"overview\"");
	return l;
}

void live_end(struct live *l)
{
	hub_end(l->hub);
}

void live_stop(struct live *l)
{
	if (!l)
		return;
	run_waiters(l);
	sampler_stop(l->sampler);
	hub_free(&l->hub);
}

void live_free(struct live **pl)
{
	struct live *l = TAKE(*pl);

	if (!l)
		return;
	sampler_free(&l->sampler);
	json_decref(l->lanes);
	json_decref(l->nodes);
	json_decref(l->pools);
	json_decref(l->scaler);
	json_decref(l->overview);
	json_decref(l->health);
	json_decref(l->decisions);
	json_decref(l->history);
	json_decref(l->standing);
	free(l);
}
