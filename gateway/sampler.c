/*
 * The questions, and when they are asked. It stands alone as the edge between
 * the page's picture and the components: what is made of the answers is live.c's.
 *
 * It goes well: as long as somebody listens or asked lately, a beat every
 * quarter of a second asks what is due. A question that takes long is asked
 * again after ten times as long, and metrics by their size, so that looking
 * never becomes the load. ctl.metrics is answered by everybody: a round ends when all who answered
 * the last one have, or after a moment; who is late counts in the next.
 * It fails: an answer that is none is kept as such, with its sentence, and
 * asked for again two seconds later; after the broker came back, at once.
 */
#include "gateway/sampler.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "gateway/gateway.h"

#define SLOWNESS 10 /* an interval is at least so many times what the answer took */
#define INTERVAL_MAX_MS 15000
#define AGAIN_MS 2000
#define SETTLE_MS 2500     /* a snapshot waits no longer for whoever does not answer */
#define ROUND_MS 600       /* of ctl.metrics */
#define FIRST_LOOKS_MS 500 /* between the first two: rates need both */
#define METRICS_BYTES_PER_MS 500

struct poll {
	struct sampler *sampler;
	enum sample which;
	int64_t due_mono_ms, asked_mono_ms;
	bool under_way, done; /* done: since it began to sample */
	unsigned status;
	char why[400];
	json_t *json; /* NULL unless status is 200 */
};

struct sampler {
	struct gateway *gateway;
	struct sampler_events events;
	struct poll polls[SAMPLES];
	struct timeout beat, round;
	int64_t until_mono_ms, performance_until_mono_ms, since_mono_ms;
	bool sampling, stopped;
	struct bus_inbox *inbox; /* answers of ctl.metrics */
	struct rates *rates;
	size_t round_bytes;
};

static const struct {
	const char *subject; /* NULL: not by ask() */
	int64_t every_ms;
} plan[SAMPLES] = {
	[SAMPLE_LANES] = {"api.lane.list", 1000},
	[SAMPLE_SCHEDULED] = {"api.lane.scheduled", 2000},
	[SAMPLE_NODES] = {"api.node.list", 1000},
	[SAMPLE_POOLS] = {"api.pool.list", 1000},
	[SAMPLE_SCALER] = {"api.scaler.status", 2000},
	[SAMPLE_DECISIONS] = {"api.scaler.history", 2000},
	[SAMPLE_STATS] = {"api.task.stats", 1000},
	[SAMPLE_PING] = {"api.store.ping", 2000},
	[SAMPLE_HEAL] = {"api.heal.status", 10000},
	[SAMPLE_PERFORMANCE] = {"api.node.performance", 5000},
	[SAMPLE_DEAD] = {NULL, 2000},
	[SAMPLE_METRICS] = {NULL, 1000},
};

/* ---- an answer ---- */

static void note(struct poll *p, unsigned status, const char *why, json_t *json_taken)
{
	int64_t now_ms = clock_mono_ms(), every_ms = plan[p->which].every_ms;

	json_decref(p->json);
	p->json = json_taken;
	p->status = status;
	snprintf(p->why, sizeof(p->why), "%s", why);
	p->under_way = false;
	p->done = true;
	if (status == 200)
		every_ms = MIN_OF(MAX_OF(every_ms, SLOWNESS * (now_ms - p->asked_mono_ms)),
						  MAX_OF(every_ms, INTERVAL_MAX_MS));
	else
		every_ms = MAX_OF(every_ms, AGAIN_MS);
	p->due_mono_ms = p->asked_mono_ms + every_ms;
	p->sampler->events.on_sample(p->sampler->events.data, p->which);
}

static void on_answer(void *data, const struct ask_answer *a)
{
	struct poll *p = data;

	if (a->status == 200 && !json_is_object(a->json))
		note(p, 502, "what came as an answer is no JSON", NULL);
	else
		note(p, a->status, a->why,
			 a->status == 200 ? json_incref((json_t *)(uintptr_t)a->json) : NULL);
}

static void on_dead(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct poll *p = data;

	if (p->sampler->stopped)
		return;
	if (e)
		note(p, 503, e->text, NULL);
	else
		note(p, 200, "", json_incref(json_object_get(reply, "state")));
}

static void ask_dead(struct poll *p)
{
	struct err e;

	if (js_api(p->sampler->gateway->bus, "STREAM.INFO.DEAD", NULL, on_dead, p, &e))
		note(p, 503, e.text, NULL);
}

/* ---- ctl.metrics ---- */

static void end_round(struct sampler *s)
{
	struct poll *p = &s->polls[SAMPLE_METRICS];
	bool second;

	if (!p->under_way)
		return;
	timeout_stop(&s->round);
	rates_look(s->rates, clock_mono_ms());
	second = rates_looks(s->rates) >= 2;
	/* The time it took is how long we waited, not what it cost: that goes by size. */
	p->asked_mono_ms = clock_mono_ms();
	note(p, 200, "", NULL);
	p->done = second;
	p->due_mono_ms +=
		(int64_t)MIN_OF(s->round_bytes / METRICS_BYTES_PER_MS, (size_t)INTERVAL_MAX_MS);
	if (!second)
		p->due_mono_ms = clock_mono_ms() + FIRST_LOOKS_MS;
}

static void on_round(struct timeout *t)
{
	end_round(container_of(t, struct sampler, round));
}

static void on_metrics(void *data, struct bus_msg **m)
{
	struct sampler *s = data;
	struct service_metrics from;

	if (!s->rates || !service_metrics_read(*m, &from))
		return;
	s->round_bytes += bus_msg_len(*m);
	rates_answer(s->rates, from.component, from.instance, from.part, from.parts, bus_msg_data(*m),
				 bus_msg_len(*m));
	if (rates_looks(s->rates) > 0 && rates_answered_all(s->rates))
		end_round(s);
}

static void ask_metrics(struct sampler *s)
{
	struct bus_out out = {.subject = "ctl.metrics", .data = ""};
	struct err e;

	s->round_bytes = 0;
	out.reply = bus_inbox_address(s->inbox);
	/* What can't be sent is not answered: the round tells. */
	(void)!bus_publish(s->gateway->bus, &out, &e);
	timeout_start(&s->round, ROUND_MS, on_round);
}

/* ---- the beat ---- */

static void ask_one(struct poll *p, int64_t now_ms)
{
	struct sampler *s = p->sampler;

	p->under_way = true;
	p->asked_mono_ms = now_ms;
	if (p->which == SAMPLE_METRICS)
		ask_metrics(s);
	else if (p->which == SAMPLE_DEAD)
		ask_dead(p);
	else
		ask(s->gateway, plan[p->which].subject,
			p->which == SAMPLE_DECISIONS ? json_pack("{s:i}", "limit", SAMPLER_DECISIONS) : NULL,
			on_answer, p);
}

static bool wanted(const struct sampler *s, enum sample which, int64_t now_ms)
{
	return which != SAMPLE_PERFORMANCE || now_ms < s->performance_until_mono_ms;
}

static void on_beat(struct timeout *t)
{
	struct sampler *s = container_of(t, struct sampler, beat);
	int64_t now_ms = clock_mono_ms();

	if (now_ms >= s->until_mono_ms) {
		s->sampling = false;
		return;
	}
	for (size_t i = 0; i < SAMPLES; i++) {
		struct poll *p = &s->polls[i];

		if (!p->under_way && now_ms >= p->due_mono_ms && wanted(s, p->which, now_ms))
			ask_one(p, now_ms);
	}
	timeout_start(t, SAMPLER_BEAT_MS, on_beat);
	s->events.on_beat(s->events.data);
}

/* Counters that nobody looked at for long would come as one great rate. */
static void begin(struct sampler *s)
{
	int64_t now_ms = clock_mono_ms();

	s->sampling = true;
	s->since_mono_ms = now_ms;
	rates_free(s->rates);
	s->rates = rates_new();
	for (size_t i = 0; i < SAMPLES; i++) {
		s->polls[i].done = false;
		s->polls[i].due_mono_ms = 0;
	}
	timeout_start(&s->beat, 0, on_beat);
}

void sampler_want(struct sampler *s, int64_t for_ms)
{
	if (s->stopped)
		return;
	s->until_mono_ms = MAX_OF(s->until_mono_ms, clock_mono_ms() + for_ms);
	if (!s->sampling)
		begin(s);
}

void sampler_want_performance(struct sampler *s, int64_t for_ms)
{
	s->performance_until_mono_ms = MAX_OF(s->performance_until_mono_ms, clock_mono_ms() + for_ms);
	sampler_want(s, for_ms);
}

void sampler_broker(struct sampler *s)
{
	for (size_t i = 0; i < SAMPLES; i++)
		s->polls[i].due_mono_ms = 0;
}

/* ---- what is known ---- */

bool sampler_settled(const struct sampler *s)
{
	int64_t now_ms = clock_mono_ms();

	if (!s->sampling)
		return false;
	if (now_ms - s->since_mono_ms >= SETTLE_MS)
		return true;
	for (size_t i = 0; i < SAMPLES; i++) {
		if (i == SAMPLE_METRICS && !bus_is_up(s->gateway->bus))
			continue;
		if (!s->polls[i].done && wanted(s, s->polls[i].which, now_ms))
			return false;
	}
	return true;
}

const json_t *sampler_json(const struct sampler *s, enum sample which)
{
	return s->polls[which].json;
}

unsigned sampler_status(const struct sampler *s, enum sample which)
{
	return s->polls[which].status;
}

const char *sampler_why(const struct sampler *s, enum sample which)
{
	return s->polls[which].why;
}

const struct rates *sampler_rates(const struct sampler *s)
{
	return s->rates && rates_looks(s->rates) ? s->rates : NULL;
}

/* ---- life ---- */

struct sampler *sampler_new(struct gateway *g, const struct sampler_events *ev)
{
	struct sampler *s = xcalloc(1, sizeof(*s));

	s->gateway = g;
	s->events = *ev;
	for (size_t i = 0; i < SAMPLES; i++)
		s->polls[i] = (struct poll){.sampler = s, .which = (enum sample)i};
	timeout_init(&s->beat, bus_timeouts(g->bus));
	timeout_init(&s->round, bus_timeouts(g->bus));
	s->inbox = bus_inbox_open(g->bus, on_metrics, s);
	return s;
}

void sampler_stop(struct sampler *s)
{
	s->stopped = true;
	s->sampling = false;
	timeout_stop(&s->beat);
	timeout_stop(&s->round);
	bus_inbox_close(&s->inbox);
}

void sampler_free(struct sampler **ps)
{
	struct sampler *s = TAKE(*ps);

	if (!s)
		return;
	for (size_t i = 0; i < SAMPLES; i++)
		json_decref(s->polls[i].json);
	rates_free(s->rates);
	free(s);
}
