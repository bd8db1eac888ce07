/*
 * One coarse timer for all runs, going only while there are any. Runs stand
 * in lists whose order makes each look cheap: all of them by when ack_wait
 * last started anew (the interval is one for all, so the oldest is first),
 * the fresh ones by their start. Deadlines differ, so they are scanned, but
 * only when the earliest may have come.
 *
 * Well: nothing runs longer than 100 ms and the timer finds empty lists.
 * Badly: the broker is away, and no +WPI arrives there; a run whose last one
 * is older than ack_wait is marked stale, as somebody else may have it. What
 * is told as started is only informative and not repeated beyond its deadline.
 */
#include "node/running.h"

#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "node/event.h"
#include "proto/event.pb-c.h"

#define STARTED_BATCH_MAX 500
#define STARTED_DEADLINE_MS 30000

struct running {
	struct node *node;
	struct run *kept;  /* by kept_ms */
	struct run *fresh; /* by started_ms */
	struct run *old;   /* told as started */
	int64_t earliest_ms;
	struct timeout tick;
	struct bus_hook hook;
};

/* ---- the lists ---- */

static void leave(struct running *g, struct run *r)
{
	if (r->place == RUN_FRESH)
		DL_DELETE(g->fresh, r);
	else if (r->place == RUN_LONG)
		DL_DELETE(g->old, r);
	if (r->place == RUN_FRESH || r->place == RUN_LONG)
		r->place = RUN_NOWHERE;
}

static void on_tick(struct timeout *t);

void running_add(struct running *g, struct run *r)
{
	DL_APPEND2(g->kept, r, kept_prev, kept_next);
	if (!timeout_running(&g->tick))
		timeout_start(&g->tick, RUNNING_TICK_MS, on_tick);
}

void running_each_kept(const struct running *g, void (*fn)(void *data, struct run *r), void *data)
{
	struct run *r;

	DL_FOREACH2(g->kept, r, kept_next)
	fn(data, r);
}

void running_go_on(struct running *g, struct run *r)
{
	r->place = RUN_FRESH;
	DL_APPEND(g->fresh, r);
	g->earliest_ms = MIN_OF(g->earliest_ms, r->deadline_ms);
}

void running_done(struct running *g, struct run *r)
{
	leave(g, r);
}

void running_remove(struct running *g, struct run *r)
{
	leave(g, r);
	DL_DELETE2(g->kept, r, kept_prev, kept_next);
}

static void each(struct run *list, void (*fn)(void *data, struct run *r), void *data)
{
	struct run *r, *next;

	DL_FOREACH_SAFE(list, r, next)
	{
		fn(data, r);
	}
}

void running_each_begun(struct running *g, void (*fn)(void *data, struct run *r), void *data)
{
	each(g->fresh, fn, data);
	each(g->old, fn, data);
}

/* ---- what a tick does ---- */

static void keep(struct running *g, int64_t older_ms)
{
	struct bus *bus = g->node->bus;
	int64_t now_ms = clock_mono_ms();

	while (bus_is_up(bus) && g->kept && now_ms - g->kept->kept_ms >= older_ms) {
		struct run *r = g->kept;
		if (now_ms - r->kept_ms > RUN_ACK_WAIT_MS)
			r->stale = true;
		if (!r->stale)
			js_working(bus, bus_msg_reply(r->msg));
		DL_DELETE2(g->kept, r, kept_prev, kept_next);
		r->kept_ms = now_ms;
		DL_APPEND2(g->kept, r, kept_prev, kept_next);
	}
}

static void scan(struct running *g, struct run *list, int64_t now_ms)
{
	struct run *r, *next;

	/* A cancel may end its run at once, and only its own. */
	DL_FOREACH_SAFE(list, r, next)
	{
		if (r->stop != RUN_GOES_ON)
			continue;
		if (r->deadline_ms <= now_ms) {
			log_info("timeout", LOG_S("task", r->task.id), LOG_S("lane", r->lane->lane.name));
			run_stop(r, RUN_TIMED_OUT);
		} else {
			g->earliest_ms = MIN_OF(g->earliest_ms, r->deadline_ms);
		}
	}
}

static void time_out(struct running *g, int64_t now_ms)
{
	if (g->earliest_ms > now_ms)
		return;
	g->earliest_ms = INT64_MAX;
	scan(g, g->fresh, now_ms);
	scan(g, g->old, now_ms);
}

static void describe(const struct run *r, Millrace__Started *s)
{
	millrace__started__init(s);
	s->id = (char *)r->task.id;
	s->type = (char *)r->lane->lane.type;
	s->lane = (char *)r->lane->lane.name;
	s->attempt = r->task.attempt;
	s->epoch = r->epoch;
	s->node = (char *)r->node->config->name;
	s->started_at = r->started_wall_ns;
	s->submitted_at = r->task.submitted_wall_ns;
}

static void tell_batch(struct running *g, int64_t now_ms)
{
	Millrace__Started started[STARTED_BATCH_MAX], *pointers[STARTED_BATCH_MAX];
	Millrace__StartedBatch batch = MILLRACE__STARTED_BATCH__INIT;
	CLEANUP(buf_release) struct buf b = {0};
	char id[EVENT_ID_MAX];
	struct err e;
	size_t n = 0;

	while (n < STARTED_BATCH_MAX && g->fresh &&
		   now_ms - g->fresh->started_ms >= RUNNING_STARTED_MS) {
		struct run *r = g->fresh;
		DL_DELETE(g->fresh, r);
		DL_APPEND(g->old, r);
		r->place = RUN_LONG;
		describe(r, &started[n]);
		pointers[n] = &started[n];
		n++;
	}
	batch.n_tasks = n;
	batch.tasks = pointers;
	codec_pack(&batch.base, &b);
	event_id(g->node, id);
	if (event_publish(g->node, "events.started", id, b.data, b.len, STARTED_DEADLINE_MS, NULL, NULL,
					  &e))
		log_debug("starts not told", LOG_S("error", e.text));
}

static void on_tick(struct timeout *t)
{
	struct running *g = container_of(t, struct running, tick);
	int64_t now_ms = clock_mono_ms();

	while (g->fresh && now_ms - g->fresh->started_ms >= RUNNING_STARTED_MS)
		tell_batch(g, now_ms);
	time_out(g, now_ms);
	keep(g, RUNNING_KEEP_MS);
	if (g->kept)
		timeout_start(t, RUNNING_TICK_MS, on_tick);
}

/* What was sent shortly before the connection broke may not have arrived. */
static void on_up(struct bus_hook *h)
{
	keep(container_of(h, struct running, hook), 1);
}

/* ---- life ---- */

struct running *running_open(struct node *n)
{
	struct running *g = xcalloc(1, sizeof(*g));

	g->node = n;
	g->earliest_ms = INT64_MAX;
	timeout_init(&g->tick, bus_timeouts(n->bus));
	g->hook = (struct bus_hook){.on_up = on_up};
	bus_hook_add(n->bus, &g->hook);
	return g;
}

void running_close(struct running **gp)
{
	struct running *g = *gp;

	if (!g)
		return;
	bus_hook_remove(g->node->bus, &g->hook);
	while (g->kept)
		run_drop(g->kept);
	timeout_stop(&g->tick);
	free(TAKE(*gp));
}
