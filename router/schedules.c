/*
 * Which schedules there are and when each ticks next. It stands alone as the
 * table behind the watch of bucket `schedules`. Well: an entry is told, its
 * next tick follows from it, a timeout waits for that, and a tick (see
 * schedule_tick.h) does the rest; so many of them at once, the others in line.
 * Badly: an entry that can't be understood does not tick and says why, once
 * and in every list; a tick that failed comes again with growing patience.
 *
 * In memory is what is needed to know the next tick; bodies are read with the
 * entry, when it ticks.
 */
#include "router/schedules.h"

#include <uthash.h>
#include <utlist.h>

#include "common/codec.h"
#include "common/log.h"

#define UNDER_WAY_MAX 64
#define LOOK_AGAIN_MS 30000 /* clocks are set: nothing sleeps longer */
#define PATIENCE_FIRST_MS 1000
#define PATIENCE_MAX_MS 30000
#define SPREAD_MS 50 /* so that mostly one router is first, and the others see that it was */
#define ZONES_DAY_MS (24 * 3600 * 1000)

struct entry {
	struct schedules *all;
	char name[TOKEN_MAX + 1];
	Millrace__Schedule *record; /* without its body; NULL: can't be read */
	struct err why;             /* code 0: it ticks */
	uint64_t revision;
	int64_t stored_wall_ns;
	int64_t next_s; /* INT64_MAX: none */
	int64_t patience_ms;
	struct timeout timeout;
	struct tick *tick; /* under way */
	uint64_t listing;  /* the last one that told it */
	bool waiting, gone;
	struct entry *prev, *next; /* in waiting; or, gone, in gone */
	UT_hash_handle hh;
};

struct schedules {
	struct router *router;
	struct zones *zones;
	struct entry *all, *waiting;
	struct entry *gone; /* their ticks are under way */
	struct kv_watch *watch;
	struct timeout zones_day;
	unsigned under_way;
	int64_t spread_ms;
	uint64_t listing;
	bool ticking;
};

static void arm(struct entry *s);
static void pump(struct schedules *ss);

/* ---- what an entry says ---- */

static bool find_next(struct schedules *ss, const Millrace__Schedule *s, int64_t stored_wall_ns,
					  int64_t *ret_s, struct err *e)
{
	struct schedule_rule rule;

	if (schedule_read(s, ss->zones, &rule, e))
		return false;
	if (cron_next(&rule.cron, rule.zone, schedule_anchor_s(s, stored_wall_ns),
				  schedule_base_s(s, stored_wall_ns), ret_s))
		return true;
	err_set(e, ERR_INVALID, "cron: it does not come within fifty years");
	return false;
}

void schedules_describe(struct schedules *ss, Millrace__Schedule *s, int64_t stored_wall_ns,
						struct err *why)
{
	int64_t next_s = 0;

	*why = (struct err){0};
	if (find_next(ss, s, stored_wall_ns, &next_s, why) && !s->paused)
		s->next_tick_at = next_s * NS_PER_S;
}

static void find_time(struct entry *s)
{
	s->next_s = INT64_MAX;
	if (!s->record || !find_next(s->all, s->record, s->stored_wall_ns, &s->next_s, &s->why))
		return;
	s->why = (struct err){0};
	if (s->record->paused)
		s->next_s = INT64_MAX;
}

static void forget_record(struct entry *s)
{
	if (s->record)
		codec_free(&s->record->base);
	s->record = NULL;
}

/* What the bucket holds for it now. */
static void adopt(struct entry *s, const struct kv_entry *entry)
{
	Millrace__Schedule *record = NULL;
	struct err e = {0};

	forget_record(s);
	s->revision = entry->revision;
	s->stored_wall_ns = entry->stored_wall_ns;
	if (schedule_record(entry, &record, &e)) {
		s->why = e;
		s->next_s = INT64_MAX;
	} else {
		free(record->body.data);
		record->body = (ProtobufCBinaryData){0};
		s->record = record;
		find_time(s);
	}
	if (s->why.code)
		log_warn("a schedule does not tick", LOG_S("schedule", s->name), LOG_S("why", s->why.text));
	arm(s);
}

/* ---- the table ---- */

static void tell_count(const struct schedules *ss)
{
	metric_set(ss->router->stats.schedules, (double)HASH_COUNT(ss->all));
}

static void free_entry(struct entry *s)
{
	timeout_stop(&s->timeout);
	forget_record(s);
	free(s);
}

static void remove_entry(struct entry *s)
{
	struct schedules *ss = s->all;

	HASH_DEL(ss->all, s);
	tell_count(ss);
	if (s->waiting)
		DL_DELETE(ss->waiting, s);
	s->waiting = false;
	timeout_stop(&s->timeout);
	if (!s->tick) {
		free_entry(s);
		return;
	}
	s->gone = true;
	DL_APPEND(ss->gone, s);
}

static struct entry *add_entry(struct schedules *ss, const char *name)
{
	struct entry *s = xcalloc(1, sizeof(*s));

	s->all = ss;
	s->patience_ms = PATIENCE_FIRST_MS;
	s->next_s = INT64_MAX;
	memcpy(s->name, name, strlen(name) + 1);
	timeout_init(&s->timeout, ss->router->timeouts);
	HASH_ADD_STR(ss->all, name, s);
	tell_count(ss);
	return s;
}

/* What vanished while the watch was down. */
static void forget_unlisted(struct schedules *ss)
{
	struct entry *s, *tmp;

	HASH_ITER (hh, ss->all, s, tmp) {
		if (s->listing != ss->listing)
			remove_entry(s);
	}
	ss->listing++;
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct schedules *ss = data;
	struct entry *s;

	if (!entry->key) {
		forget_unlisted(ss);
		return;
	}
	if (!token_ok(entry->key, strlen(entry->key))) {
		log_warn("a key of bucket schedules is no name, ignored", LOG_S("key", entry->key));
		return;
	}
	HASH_FIND_STR(ss->all, entry->key, s);
	if (entry->deleted) {
		if (s && entry->revision > s->revision)
			remove_entry(s);
		return;
	}
	if (!s && schedules_full(ss)) {
		log_warn("too many schedules; this one does not tick", LOG_S("schedule", entry->key),
				 LOG_I("most", ss->router->config.schedules_max));
		return;
	}
	if (!s)
		s = add_entry(ss, entry->key);
	s->listing = ss->listing;
	if (entry->revision > s->revision)
		adopt(s, entry);
}

/* ---- when ---- */

static bool may_tick(const struct schedules *ss)
{
	return ss->ticking && bus_is_up(ss->router->bus) && !ss->router->draining;
}

static void on_time(struct timeout *t)
{
	struct entry *s = container_of(t, struct entry, timeout);
	struct schedules *ss = s->all;

	if (s->next_s == INT64_MAX || clock_wall_ns() / NS_PER_S < s->next_s || !may_tick(ss)) {
		arm(s);
		return;
	}
	s->waiting = true;
	DL_APPEND(ss->waiting, s);
	pump(ss);
}

static void arm(struct entry *s)
{
	struct schedules *ss = s->all;

	if (s->tick || s->waiting || s->gone || !ss->ticking)
		return;
	timeout_stop(&s->timeout);
	if (s->next_s == INT64_MAX)
		return;
	int64_t now_ns = clock_wall_ns(), wait_ms = LOOK_AGAIN_MS;
	if (s->next_s - now_ns / NS_PER_S < LOOK_AGAIN_MS / 1000)
		wait_ms = (s->next_s * NS_PER_S - now_ns) / NS_PER_MS + 1;
	/* While the broker is away there is nothing to hurry for. */
	int64_t least_ms = may_tick(ss) ? 0 : PATIENCE_FIRST_MS;
	timeout_start(&s->timeout, MAX_OF(wait_ms, least_ms) + ss->spread_ms, on_time);
}

/* ---- ticks ---- */

static void on_read(void *data, const struct kv_entry *entry)
{
	struct entry *s = data;

	if (!s->gone && entry->revision > s->revision)
		adopt(s, entry);
}

/* The watch tells it too; but the next tick may be nearer than that. */
static void on_noted(void *data, uint64_t revision, const Millrace__Schedule *record)
{
	struct entry *s = data;
	struct err why;
	int64_t next_s;

	if (s->gone || revision <= s->revision || !s->record)
		return;
	s->revision = revision;
	s->record->last_tick_at = record->last_tick_at;
	s->record->since_at = record->since_at;
	s->record->ticks = record->ticks;
	if (find_next(s->all, record, record->since_at, &next_s, &why))
		s->next_s = next_s;
}

static void take_later(struct entry *s, const struct err *why)
{
	if (why->code != ERR_UNREACHABLE && why->code != ERR_CONFLICT)
		log_warn("a schedule's tick waits", LOG_S("schedule", s->name), LOG_S("why", why->text),
				 LOG_I("retry_ms", s->patience_ms));
	timeout_start(&s->timeout, s->patience_ms, on_time);
	s->patience_ms = MIN_OF(s->patience_ms * 2, PATIENCE_MAX_MS);
}

static void on_end(void *data, enum tick_end end, const struct err *why)
{
	struct entry *s = data;
	struct schedules *ss = s->all;

	s->tick = NULL;
	ss->under_way--;
	if (s->gone) {
		DL_DELETE(ss->gone, s);
		free_entry(s);
	} else {
		switch (end) {
		case TICK_DONE:
			s->patience_ms = PATIENCE_FIRST_MS;
			arm(s);
			break;
		case TICK_GONE:
			remove_entry(s);
			break;
		case TICK_LATER:
			take_later(s, why);
			break;
		}
	}
	pump(ss);
}

static void pump(struct schedules *ss)
{
	struct entry *s;
	struct err e;

	while (may_tick(ss) && ss->under_way < UNDER_WAY_MAX && (s = ss->waiting)) {
		struct tick_events ev = {on_read, on_noted, on_end, s};
		DL_DELETE(ss->waiting, s);
		s->waiting = false;
		if (tick_start(ss->router, ss->zones, s->name, &ev, &s->tick, &e))
			take_later(s, &e);
		else
			ss->under_way++;
	}
}

/* ---- for the api ---- */

struct zones *schedules_zones(struct schedules *ss)
{
	return ss->zones;
}

bool schedules_full(const struct schedules *ss)
{
	return (int64_t)HASH_COUNT(ss->all) >= ss->router->config.schedules_max;
}

static int by_name(const struct entry *a, const struct entry *b)
{
	return strcmp(a->name, b->name);
}

Millrace__Schedule *schedules_list(struct schedules *ss, size_t *ret_n)
{
	Millrace__Schedule *list = xcalloc((size_t)HASH_COUNT(ss->all) + 1, sizeof(*list));
	size_t n = 0;

	HASH_SORT(ss->all, by_name);
	for (struct entry *s = ss->all; s; s = s->hh.next) {
		Millrace__Schedule *copy = &list[n++];
		if (s->record)
			*copy = *s->record;
		else
			millrace__schedule__init(copy);
		copy->name = s->name;
		if (s->next_s != INT64_MAX)
			copy->next_tick_at = s->next_s * NS_PER_S;
		if (s->why.code)
			copy->error = s->why.text;
	}
	*ret_n = n;
	return list;
}

/* ---- begin and end ---- */

/* The database of time zones may have been updated. */
static void on_zones_day(struct timeout *t)
{
	struct schedules *ss = container_of(t, struct schedules, zones_day);

	zones_forget(ss->zones);
	for (struct entry *s = ss->all; s; s = s->hh.next) {
		find_time(s);
		arm(s);
	}
	timeout_start(t, ZONES_DAY_MS, on_zones_day);
}

struct schedules *schedules_new(struct router *r)
{
	struct schedules *ss = xcalloc(1, sizeof(*ss));

	ss->router = r;
	ss->zones = zones_new();
	ss->spread_ms = strtol(r->instance + 8, NULL, 16) % SPREAD_MS;
	timeout_init(&ss->zones_day, r->timeouts);
	timeout_start(&ss->zones_day, ZONES_DAY_MS, on_zones_day);
	return ss;
}

int schedules_watch(struct schedules *ss, struct err *e)
{
	return kv_watch(ss->router->bus, SCHEDULES_BUCKET, ">", on_entry, ss, &ss->watch, e);
}

void schedules_begin(struct schedules *ss)
{
	ss->ticking = true;
	for (struct entry *s = ss->all; s; s = s->hh.next)
		arm(s);
}

void schedules_stop(struct schedules *ss)
{
	if (ss)
		kv_watch_stop(&ss->watch);
}

void schedules_free(struct schedules **pss)
{
	struct schedules *ss = TAKE(*pss);
	struct entry *s, *tmp;

	if (!ss)
		return;
	HASH_ITER (hh, ss->all, s, tmp) {
		HASH_DEL(ss->all, s);
		tick_drop(&s->tick);
		forget_record(s);
		free(s);
	}
	DL_FOREACH_SAFE (ss->gone, s, tmp) {
		tick_drop(&s->tick);
		forget_record(s);
		free(s);
	}
	zones_free(&ss->zones);
	free(ss);
}
