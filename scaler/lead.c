/*
 * The lease. It stands alone because everything that is started or ended
 * hangs on it. Well: looked at every third of the lease; the leader puts, the
 * others watch how long the last word is old, by their own clocks (a leader's
 * clock is nobody's business). Badly: a put that is not acknowledged in time
 * is no put: we stop acting a margin before others may begin. The broker away:
 * nobody leads, nobody acts.
 */
#include "scaler/lead.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/lock.h"
#include "common/log.h"

#define BUCKET "leases"
#define KEY "leader.scaler"

struct lead {
	struct bus *bus;
	struct lead_events events;
	struct timeout look;
	int64_t lease_ms;
	char owner[LOCK_OWNER_MAX + 1];
	struct lock_view seen;    /* the last word we know of */
	uint64_t epoch;           /* of ours */
	int64_t put_ms, held_ms;  /* when the put under way began; when the last acknowledged one had */
	bool leading, asking, ended;
};

static void step_down(struct lead *l, const char *why)
{
	if (!l->leading)
		return;
	l->leading = false;
	log_warn("leads no more", LOG_S("why", why), LOG_I("epoch", (int64_t)l->epoch));
	l->events.on_change(l->events.data, false);
}

/* We stop early: a third of the lease for clocks that tick apart and what is under way. */
static int64_t margin_ms(const struct lead *l)
{
	return l->lease_ms / 3;
}

bool lead_holds(struct lead *l)
{
	if (l->leading && clock_mono_ms() - l->held_ms >= l->lease_ms - margin_ms(l))
		step_down(l, "its lease was not renewed in time");
	return l->leading;
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct lead *l = data;

	l->asking = false;
	if (l->ended)
		return;
	if (e) {
		/* Not ours, or not known: the next look reads what is there. */
		if (e->code == ERR_CONFLICT)
			step_down(l, "another scaler has taken the lease");
		return;
	}
	if (!l->leading)
		l->epoch = revision;
	l->seen = (struct lock_view){.held = true, .revision = revision, .seen_mono_ms = clock_mono_ms()};
	l->seen.value = (struct lock_value){.token = l->epoch, .ttl_ms = l->lease_ms};
	snprintf(l->seen.value.owner, sizeof(l->seen.value.owner), "%s", l->owner);
	l->held_ms = l->put_ms;
	if (!l->leading && clock_mono_ms() - l->held_ms < l->lease_ms - margin_ms(l)) {
		l->leading = true;
		log_info("leads", LOG_I("epoch", (int64_t)l->epoch));
		l->events.on_change(l->events.data, true);
	}
}

static void put(struct lead *l)
{
	struct lock_value v = {.token = l->leading ? l->epoch : 0, .ttl_ms = l->lease_ms};
	CLEANUP(buf_release) struct buf text = {0};
	struct err e;

	snprintf(v.owner, sizeof(v.owner), "%s", l->owner);
	lock_value_write(&v, &text);
	l->put_ms = clock_mono_ms();
	l->asking = kv_put(l->bus, BUCKET, KEY, text.data, text.len, l->seen.revision, on_put, l, &e) == 0;
}

/* What the key says now; an unchanged word keeps the time at which it was first seen. */
static void hear(struct lead *l, const struct kv_entry *entry)
{
	struct lock_view v = {.seen_mono_ms = clock_mono_ms()};
	struct err e;

	if (entry) {
		v.revision = entry->revision;
		v.held = !entry->deleted &&
				 lock_value_read(entry->value, entry->len, &v.value, &e) == 0;
		if (v.revision == l->seen.revision)
			v.seen_mono_ms = l->seen.seen_mono_ms;
	}
	l->seen = v;
}

static void on_get(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct lead *l = data;

	l->asking = false;
	if (l->ended || (e && e->code != ERR_NOT_FOUND))
		return;
	hear(l, entry);
	if (l->leading && !(l->seen.held && str_eq(l->seen.value.owner, l->owner)))
		step_down(l, "another scaler has taken the lease");
	switch (lock_judge(&l->seen, l->owner, clock_mono_ms())) {
	case LOCK_BUSY:
		return;
	case LOCK_AGAIN:
	case LOCK_TAKE:
		put(l);
		return;
	}
}

static void look(struct lead *l)
{
	struct err e;

	(void)lead_holds(l);
	if (l->asking || l->ended || !bus_is_up(l->bus))
		return;
	if (l->leading)
		put(l);
	else
		l->asking = kv_get_last(l->bus, BUCKET, KEY, on_get, l, &e) == 0;
}

static void on_look(struct timeout *t)
{
	struct lead *l = container_of(t, struct lead, look);

	timeout_start(t, l->lease_ms / 3, on_look);
	look(l);
}

struct lead *lead_new(struct bus *bus, const char *name, const char *instance, int64_t lease_ms,
					  const struct lead_events *ev)
{
	struct lead *l = xcalloc(1, sizeof(*l));

	l->bus = bus;
	l->events = *ev;
	l->lease_ms = lease_ms;
	snprintf(l->owner, sizeof(l->owner), "%.60s/%.60s", name, instance);
	timeout_init(&l->look, bus_timeouts(bus));
	return l;
}

void lead_begin(struct lead *l)
{
	timeout_start(&l->look, 0, on_look);
}

uint64_t lead_epoch(const struct lead *l)
{
	return l->epoch;
}

const char *lead_who(const struct lead *l)
{
	return lock_left_ms(&l->seen, clock_mono_ms()) > 0 ? l->seen.value.owner : "";
}

bool lead_is_anothers(const struct lead *l)
{
	return *lead_who(l) && !str_eq(l->seen.value.owner, l->owner);
}

void lead_end(struct lead *l)
{
	struct err e;

	l->ended = true;
	timeout_stop(&l->look);
	if (lead_holds(l) && bus_is_up(l->bus) &&
		kv_delete_at(l->bus, BUCKET, KEY, l->seen.revision, NULL, NULL, &e))
		log_debug("lease not given back; it runs out by itself", LOG_S("why", e.text));
	l->leading = false;
}

void lead_free(struct lead **pl)
{
	struct lead *l = TAKE(*pl);

	if (!l)
		return;
	timeout_stop(&l->look);
	free(l);
}
