/*
 * One breaker a lane. It stands alone because what it knows comes from three
 * places: the failures that this router decides on, those that the others
 * tell of on router.failed, and the lane's setting, which is the state, the
 * same for all routers and after any of them died. Every move is one
 * compare-and-set there; who loses it reads what the winner wrote.
 *
 * It goes well: failures are counted by fingerprint; from a quarter of the
 * limit on the results of the lane's type are listened to, and the first
 * success ends the suspicion. At the limit, and after listening for a second
 * at least, the lane is paused; whoever fails of it meanwhile waits without an
 * attempt spent. When the pause is over a few tasks pass (the lane's
 * concurrency); a success closes it, the failure opens it for twice as long.
 * It fails: a broker that does not take the write leaves everything as it
 * was, and the next failure tries again.
 */
#include "router/breaker.h"

#include <stdio.h>
#include <uthash.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "router/breaker_rule.h"

#define TICK_MS 250
#define JITTER_MAX_MS 400 /* lest all routers move it at once */
#define TELL_MS 50        /* failures of so long are told to the others at once */
#define LISTEN_MS 1000    /* to successes, before a lane is paused */
#define COUNTS_MAX 8      /* failures told apart on a lane; the one of longest ago gives way */
#define LANES_MAX 4000
#define SPREAD_MS 2000
#define SUBJECT_FAILED "router.failed"

struct count {
	char fingerprint[FINGERPRINT_MAX + 1];
	char error[160];
	struct breaker_count c;
	unsigned untold;
	int64_t last_mono_ms;
};

struct guard {
	struct breakers *all;
	struct lane lane;
	json_t *setting; /* as last told; NULL: none */
	uint64_t revision, written_on;
	struct breaker b;
	int64_t opening_until_ns; /* a write that opens it is under way */
	char opening[FINGERPRINT_MAX + 1];
	bool writing, half_written, closing;
	json_t *before; /* the setting before the write under way */
	struct bus_sub *results;
	int64_t listening_since_ms;
	struct count counts[COUNTS_MAX];
	UT_hash_handle hh;
};

struct breakers {
	struct router *router;
	struct breaker_rule rule;
	struct kv_watch *watch;
	struct bus_sub *failed;
	struct guard *guards;
	struct timeout tick, tell;
	int64_t jitter_ns;
	struct metric *spared;
};

/* ---- the table ---- */

static struct guard *find(struct breakers *bs, const char *lane)
{
	struct guard *g;

	HASH_FIND_STR(bs->guards, lane, g);
	return g;
}

static struct guard *obtain(struct breakers *bs, const struct lane *lane)
{
	struct guard *g = find(bs, lane->name);

	if (g || HASH_COUNT(bs->guards) >= LANES_MAX)
		return g;
	g = xcalloc(1, sizeof(*g));
	g->all = bs;
	g->lane = *lane;
	HASH_ADD_STR(bs->guards, lane.name, g);
	return g;
}

static void guard_free(struct guard *g)
{
	HASH_DEL(g->all->guards, g);
	bus_unsubscribe(&g->results);
	json_decref(g->setting);
	json_decref(g->before);
	free(g);
}

static struct count *count_of(struct guard *g, const char *fingerprint)
{
	struct count *oldest = &g->counts[0];

	for (size_t i = 0; i < COUNTS_MAX; i++) {
		struct count *c = &g->counts[i];
		if (c->c.n > 0 && strncmp(c->fingerprint, fingerprint, FINGERPRINT_ERROR_LEN) == 0)
			return c;
		if (c->last_mono_ms < oldest->last_mono_ms)
			oldest = c;
	}
	*oldest = (struct count){0};
	snprintf(oldest->fingerprint, sizeof(oldest->fingerprint), "%s", fingerprint);
	return oldest;
}

static bool suspects(const struct guard *g)
{
	for (size_t i = 0; i < COUNTS_MAX; i++) {
		if (breaker_suspects(&g->counts[i].c, &g->all->rule))
			return true;
	}
	return false;
}

/* ---- telling ---- */

static void set_gauge(const struct guard *g)
{
	char labels[LANE_MAX + 16];

	snprintf(labels, sizeof(labels), "lane=\"%s\"", g->lane.name);
	metric_set(metric_gauge("millrace_router_breaker_state",
							"A lane's breaker: 0 closed, 1 half-open, 2 open.", labels),
			   (double)g->b.state);
}

/* Once, by the router that moved it. */
static void announce(const struct guard *g, const char *state)
{
	CLEANUP(free_ptr) char *subject = xasprintf("router.breaker.%s", g->lane.name);
	const char *reason = json_string_value(json_object_get(g->setting, "reason")),
			   *until = json_string_value(json_object_get(g->setting, "until"));
	json_t *j = json_pack("{s:s, s:s, s:s, s:i}", "lane", g->lane.name, "state", state,
						  "fingerprint", g->b.fingerprint, "trips", (int)g->b.trips);

	if (reason && until && str_eq(state, "open")) {
		json_object_set_new(j, "reason", json_string(reason));
		json_object_set_new(j, "until", json_string(until));
	}
	CLEANUP(free_ptr) char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	bus_send(g->all->router->bus, subject, text, strlen(text));
}

/* ---- successes ---- */

static void move(struct guard *g, enum breaker_move to);

static void on_result(void *data, struct bus_msg **m)
{
	struct guard *g = data;
	const char *state = bus_msg_header(*m, "Task-State"), *lane = bus_msg_header(*m, "Task-Lane");

	if ((state && !str_eq(state, "completed")) || (lane && !str_eq(lane, g->lane.name)))
		return;
	for (size_t i = 0; i < COUNTS_MAX; i++)
		g->counts[i].c.n = 0;
	if (g->b.state == BREAKER_HALF)
		move(g, BREAKER_TO_CLOSED);
}

/* Only of lanes that are suspected, or probed: results carry whole bodies. */
static void attend(struct guard *g)
{
	bool wanted = g->b.state == BREAKER_HALF || (g->b.state == BREAKER_CLOSED && suspects(g));
	char subject[TOKEN_MAX + 16];
	struct err e;

	if (!wanted) {
		bus_unsubscribe(&g->results);
		return;
	}
	if (g->results)
		return;
	snprintf(subject, sizeof(subject), "results.%s.>", g->lane.type);
	g->listening_since_ms = clock_mono_ms();
	if (bus_subscribe(g->all->router->bus, subject, NULL, on_result, g, &g->results, &e))
		log_debug("not listened to", LOG_S("subject", subject), LOG_S("why", e.text));
}

/* ---- moves ---- */

static void on_written(void *data, uint64_t revision, const struct err *e)
{
	struct guard *g = data;
	bool opened = g->opening_until_ns != 0, half = g->half_written, closed = g->closing;

	g->writing = g->half_written = g->closing = false;
	json_t *before = TAKE(g->before);
	if (e) {
		/* Somebody else wrote: the watch tells what. Or the broker is away: the next failure. */
		g->opening_until_ns = 0;
		if (g->written_on == g->revision) {
			json_decref(g->setting);
			g->setting = TAKE(before);
			breaker_read(g->setting, &g->b);
			set_gauge(g);
			attend(g);
		}
		json_decref(before);
		log_debug("a breaker was not moved", LOG_S("lane", g->lane.name), LOG_S("why", e->text));
		return;
	}
	json_decref(before);
	g->revision = MAX_OF(g->revision, revision);
	if (opened) {
		log_warn("breaker open; the lane is paused, its failed tasks wait without attempts spent",
				 LOG_S("lane", g->lane.name), LOG_S("fingerprint", g->b.fingerprint),
				 LOG_S("why", json_string_value(json_object_get(g->setting, "reason"))));
		metric_add(metric_counter("millrace_router_breaker_trips_total",
								  "How often a breaker opened.", NULL),
				   1);
		announce(g, "open");
	} else if (half) {
		log_info("breaker half-open; a few tasks pass", LOG_S("lane", g->lane.name));
		announce(g, "half-open");
	} else if (closed) {
		log_info("breaker closed", LOG_S("lane", g->lane.name));
		announce(g, "closed");
	}
	g->opening_until_ns = 0;
}

/* Takes setting: what is believed from now on; the watch corrects it. */
static void write_setting(struct guard *g, json_t *setting)
{
	CLEANUP(free_ptr) char *key = xasprintf("lane.%s", g->lane.name);
	CLEANUP(free_ptr) char *text = json_dumps(setting, JSON_COMPACT);
	struct err e;

	if (kv_put(g->all->router->bus, "settings", key, text, strlen(text), g->revision, on_written, g,
			   &e)) {
		log_debug("a breaker was not moved", LOG_S("lane", g->lane.name), LOG_S("why", e.text));
		g->opening_until_ns = 0;
		g->half_written = g->closing = false;
		json_decref(setting);
		return;
	}
	char fingerprint[sizeof(g->b.fingerprint)];
	memcpy(fingerprint, g->b.fingerprint, sizeof(fingerprint));
	g->writing = true;
	g->written_on = g->revision;
	g->before = g->setting;
	g->setting = setting;
	breaker_read(setting, &g->b);
	if (!g->b.fingerprint[0]) /* closed: of which failure it was can still be told */
		memcpy(g->b.fingerprint, fingerprint, sizeof(fingerprint));
	set_gauge(g);
	attend(g);
}

static json_t *copy_setting(const struct guard *g)
{
	return json_is_object(g->setting) ? json_deep_copy(g->setting) : json_object();
}

static int64_t trip(struct guard *g, const char *fingerprint, const char *error, unsigned failures)
{
	json_t *setting = copy_setting(g);
	struct breaker_trip t = {fingerprint, error, failures, clock_wall_ns()};

	g->opening_until_ns = breaker_open(setting, &g->all->rule, &t);
	snprintf(g->opening, sizeof(g->opening), "%s", fingerprint);
	for (size_t i = 0; i < COUNTS_MAX; i++)
		g->counts[i].c.n = 0;
	int64_t until_ns = g->opening_until_ns;
	write_setting(g, setting);
	return until_ns;
}

static void move(struct guard *g, enum breaker_move to)
{
	if (to == BREAKER_STAY || g->writing)
		return;
	json_t *setting = copy_setting(g);
	if (to == BREAKER_TO_HALF) {
		breaker_half(setting, clock_wall_ns());
		g->half_written = true;
	} else {
		breaker_close(setting, &g->all->rule);
		g->closing = true;
	}
	write_setting(g, setting);
}

/* ---- failures ---- */

/* Whether the lane's breaker stands, or is about to stand, for that failure. */
static bool stands_for(const struct guard *g, const char *fingerprint, int64_t *ret_until_ns)
{
	if (g->opening_until_ns && strncmp(g->opening, fingerprint, FINGERPRINT_ERROR_LEN) == 0) {
		*ret_until_ns = g->opening_until_ns;
		return true;
	}
	if (g->b.state != BREAKER_OPEN || !fingerprint_matches(fingerprint, g->b.fingerprint))
		return false;
	*ret_until_ns = g->b.until_wall_ns;
	return true;
}

static struct count *add_failures(struct guard *g, const char *fingerprint, const char *error,
								  unsigned n)
{
	struct count *c = count_of(g, fingerprint);

	c->last_mono_ms = clock_mono_ms();
	breaker_add(&c->c, &g->all->rule, n, c->last_mono_ms);
	snprintf(c->error, sizeof(c->error), "%s", error);
	attend(g);
	return c;
}

/* A wave, and nobody succeeded while we listened. */
static bool is_wave(const struct guard *g, const struct count *c)
{
	return !g->writing && g->b.state == BREAKER_CLOSED && breaker_reached(&c->c, &g->all->rule) &&
		   g->results && clock_mono_ms() - g->listening_since_ms >= LISTEN_MS;
}

bool breakers_failed(struct breakers *bs, const struct breaker_failure *f, int64_t *ret_wall_ns)
{
	struct guard *g = bs->rule.failures ? find(bs, f->lane->name) : NULL;
	int64_t until_ns = 0;

	if (!bs->rule.failures)
		return false;
	bool held = g && stands_for(g, f->fingerprint, &until_ns);
	if (!held && g && g->b.state == BREAKER_HALF && !g->writing &&
		fingerprint_matches(f->fingerprint, g->b.fingerprint)) {
		until_ns = trip(g, f->fingerprint, f->error, 1);
		held = true;
	}
	if (!held && f->retried && (g = obtain(bs, f->lane))) {
		struct count *c = add_failures(g, f->fingerprint, f->error, 1);
		c->untold++;
		if (!timeout_running(&bs->tell))
			timeout_start(&bs->tell, TELL_MS, bs->tell.fn);
		if (is_wave(g, c)) {
			until_ns = trip(g, f->fingerprint, f->error, c->c.n);
			held = true;
		}
	}
	if (!held)
		return false;
	metric_add(bs->spared, f->retried);
	until_ns = MAX_OF(until_ns, clock_wall_ns() + NS_PER_S); /* somebody moves it on in a moment */
	*ret_wall_ns = until_ns + (int64_t)(f->seed % SPREAD_MS) * NS_PER_MS;
	return true;
}

/* ---- the other routers ---- */

static void tell_others(struct guard *g)
{
	struct breakers *bs = g->all;

	for (size_t i = 0; i < COUNTS_MAX; i++) {
		struct count *c = &g->counts[i];
		CLEANUP(buf_release) struct buf error = {0};
		if (c->untold == 0)
			continue;
		utf8_clean(c->error, strlen(c->error), &error);
		json_t *j = json_pack("{s:s, s:s, s:s, s:i, s:s}", "from", bs->router->instance, "lane",
							  g->lane.name, "fingerprint", c->fingerprint, "n", (int)c->untold,
							  "error", error.data ? error.data : "");
		CLEANUP(free_ptr) char *text = json_dumps(j, JSON_COMPACT);
		json_decref(j);
		c->untold = 0;
		if (text)
			bus_send(bs->router->bus, SUBJECT_FAILED, text, strlen(text));
	}
}

static void on_tell(struct timeout *t)
{
	struct breakers *bs = container_of(t, struct breakers, tell);

	for (struct guard *g = bs->guards; g; g = g->hh.next)
		tell_others(g);
}

static void on_failed(void *data, struct bus_msg **m)
{
	struct breakers *bs = data;
	json_error_t je;
	json_t *j = json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, &je);
	const char *from = json_string_value(json_object_get(j, "from")),
			   *name = json_string_value(json_object_get(j, "lane")),
			   *fingerprint = json_string_value(json_object_get(j, "fingerprint")),
			   *error = json_string_value(json_object_get(j, "error"));
	json_int_t n = json_integer_value(json_object_get(j, "n"));
	struct lane lane;
	int64_t until_ns;
	struct guard *g;

	if (from && !str_eq(from, bs->router->instance) && name && fingerprint && error && n > 0 &&
		n < 1000000 && fingerprint_ok(fingerprint) && lane_parse(name, &lane, NULL) == 0 &&
		(g = obtain(bs, &lane)) && !stands_for(g, fingerprint, &until_ns))
		add_failures(g, fingerprint, error, (unsigned)n);
	json_decref(j);
}

/* ---- time ---- */

static void look(struct guard *g, int64_t now_wall_ns)
{
	struct breakers *bs = g->all;
	bool idle = g->b.state == BREAKER_CLOSED && !g->writing;

	if (!g->writing)
		move(g, breaker_next(&g->b, &bs->rule, now_wall_ns - bs->jitter_ns));
	for (size_t i = 0; i < COUNTS_MAX; i++) {
		struct count *c = &g->counts[i];
		if (is_wave(g, c))
			trip(g, c->fingerprint, c->error, c->c.n);
		else if ((clock_mono_ms() - c->last_mono_ms) * NS_PER_MS > bs->rule.window_ns)
			c->c.n = 0;
		idle = idle && c->c.n == 0;
	}
	attend(g);
	if (idle && g->b.state == BREAKER_CLOSED && !g->setting && !g->writing)
		guard_free(g);
}

static void on_tick(struct timeout *t)
{
	struct breakers *bs = container_of(t, struct breakers, tick);
	int64_t now_ns = clock_wall_ns();
	struct guard *g, *tmp;

	timeout_start(t, TICK_MS, on_tick);
	if (!bus_is_up(bs->router->bus))
		return;
	HASH_ITER (hh, bs->guards, g, tmp)
		look(g, now_ns);
}

/* ---- the settings ---- */

static void on_setting(void *data, const struct kv_entry *entry)
{
	struct breakers *bs = data;
	struct lane lane;
	json_error_t je;
	struct guard *g;

	if (!entry->key || strncmp(entry->key, "lane.", 5) != 0 ||
		lane_parse(entry->key + 5, &lane, NULL))
		return;
	g = obtain(bs, &lane);
	/* A write under way is newer than what is told now, unless it loses: then more is told. */
	if (!g || entry->revision < g->revision)
		return;
	json_t *setting = entry->deleted ? NULL : json_loadb(entry->value, entry->len, 0, &je);
	g->revision = entry->revision;
	json_decref(g->setting);
	g->setting = json_is_object(setting) && json_object_size(setting) > 0 ? setting : NULL;
	if (!g->setting)
		json_decref(setting);
	breaker_read(g->setting, &g->b);
	if (g->b.state != BREAKER_CLOSED || !g->writing)
		set_gauge(g);
	attend(g);
}

/* ---- begin and end ---- */

struct breakers *breakers_new(struct router *r)
{
	struct breakers *bs = xcalloc(1, sizeof(*bs));
	const struct router_config *c = &r->config;

	bs->router = r;
	bs->rule = (struct breaker_rule){
		.failures = (unsigned)c->breaker_failures,
		.window_ns = c->breaker_window_ns,
		.pause_ns = c->breaker_pause_ns,
		.pause_max_ns = MAX_OF(c->breaker_pause_max_ns, c->breaker_pause_ns),
		.probes = (unsigned)c->breaker_probes,
	};
	bs->jitter_ns = (int64_t)(strtoul(r->instance + 8, NULL, 16) % JITTER_MAX_MS) * NS_PER_MS;
	bs->spared =
		metric_counter("millrace_router_attempts_spared_total",
					   "Failed attempts that were not spent, for a breaker was open.", NULL);
	timeout_init(&bs->tick, r->timeouts);
	timeout_init(&bs->tell, r->timeouts);
	bs->tell.fn = on_tell;
	return bs;
}

int breakers_open(struct breakers *bs, struct err *e)
{
	struct bus *bus = bs->router->bus;
	int rc = bus_subscribe(bus, SUBJECT_FAILED, NULL, on_failed, bs, &bs->failed, e);

	/* Turned off here, a breaker that another router opened is still moved on. */
	if (rc == 0)
		rc = kv_watch(bus, "settings", "lane.>", on_setting, bs, &bs->watch, e);
	timeout_start(&bs->tick, TICK_MS, on_tick);
	return rc;
}

void breakers_stop(struct breakers *bs)
{
	if (!bs)
		return;
	kv_watch_stop(&bs->watch);
	bus_unsubscribe(&bs->failed);
	for (struct guard *g = bs->guards; g; g = g->hh.next)
		bus_unsubscribe(&g->results);
}

void breakers_free(struct breakers **pbs)
{
	struct breakers *bs = TAKE(*pbs);
	struct guard *g, *tmp;

	if (!bs)
		return;
	HASH_ITER (hh, bs->guards, g, tmp)
		guard_free(g);
	free(bs);
}
