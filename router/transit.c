/*
 * The life of one task in the router. It stands alone because every part
 * has transits in hand and none may forget what belongs to their end: the
 * ack, the counters, the lane's reference, the places that wait for room.
 */
#include "router/transit.h"

#include <utlist.h>

#include "common/clock.h"
#include "common/failpoint.h"
#include "router/bucket.h"
#include "router/lanes.h"
#include "router/purge.h"
#include "router/run.h"

#define SWEEP_MS 500
/* +WPI well within the consumers' ack_wait: 8 s on TASKS, EVENTS, lanes, DIRECT, BUCKET_ACK_WAIT_MS on DELAYED. */
#define KEEP_MS 2000
#define KEEP_DELAYED_MS (BUCKET_ACK_WAIT_MS / 3)
/* What a transit costs beside its message's bytes, and a header beside its own: they lie apart, twice. */
#define OVERHEAD_BYTES 2048
#define HEADER_OVERHEAD_BYTES 128

/*
 * A transit is larger than what malloc keeps at hand, so ended ones are kept here for the next. Not
 * under AddressSanitizer, which could not see a use after the end.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SPARE_MAX 0
#else
#define SPARE_MAX 2048
#endif

static struct transit *obtain(struct router *r)
{
	struct transit *t = r->spare;

	if (!t)
		return xcalloc(1, sizeof(*t));
	r->spare = t->next;
	r->nspare--;
	memset(t, 0, sizeof(*t));
	return t;
}

static void give_back(struct router *r, struct transit *t)
{
	if (r->nspare + 1 > SPARE_MAX) {
		free(t);
		return;
	}
	t->next = r->spare;
	r->spare = t;
	r->nspare++;
}

static size_t size_of(const struct bus_msg *m)
{
	size_t n, total = bus_msg_len(m) + OVERHEAD_BYTES;
	const struct bus_header *h = bus_msg_headers(m, &n);

	for (size_t i = 0; i < n; i++)
		total += strlen(h[i].name) + strlen(h[i].value) + HEADER_OVERHEAD_BYTES;
	return total;
}

struct transit *transit_new(struct router *r, enum origin origin, struct bus_msg **m)
{
	struct transit *t = obtain(r);

	t->router = r;
	t->origin = origin;
	t->taken_mono_ns = clock_mono_ns();
	t->kept_mono_ms = t->taken_mono_ns / NS_PER_MS;
	timeout_init(&t->timeout, r->timeouts);
	if (m) {
		t->msg = TAKE(*m);
		t->bytes = size_of(t->msg);
	}
	DL_APPEND(r->transits[origin], t);
	return t;
}

void transit_count(struct transit *t)
{
	struct router *r = t->router;

	if (t->counted)
		return;
	t->counted = true;
	r->in_flight++;
	r->in_flight_bytes += t->bytes;
	metric_set(r->stats.in_flight, (double)r->in_flight);
}

void transit_arrival(const struct transit *t, const struct js_meta *meta, struct arrival *ret)
{
	*ret = (struct arrival){
		.subject = bus_msg_subject(t->msg),
		.body = bus_msg_data(t->msg),
		.body_len = bus_msg_len(t->msg),
		.sequence = t->origin == ORIGIN_TASKS ? meta->stream_seq : 0,
		.stored_wall_ns = meta->stored_wall_ns,
	};
	ret->headers = bus_msg_headers(t->msg, &ret->nheaders);
	ret->headers_unreadable = bus_msg_headers_unreadable(t->msg);
}

void transit_ack(struct transit *t)
{
	if (t->msg && !t->acked)
		js_ack(t->router->bus, bus_msg_reply(t->msg));
	t->acked = true;
}

static void forget(struct transit *t)
{
	struct router *r = t->router;

	timeout_stop(&t->timeout);
	DL_DELETE(r->transits[t->origin], t);
	if (t->counted) {
		r->in_flight--;
		r->in_flight_bytes -= t->bytes;
		metric_set(r->stats.in_flight, (double)r->in_flight);
	}
	if (t->lane)
		lane_unref(&t->lane);
	submission_release(&t->sub);
	bus_msg_free(t->msg);
	free(t->error);
	give_back(r, t);
}

void transit_done(struct transit **pt)
{
	struct transit *t = TAKE(*pt);
	struct router *r = t->router;

	if (t->origin == ORIGIN_TASKS)
		FAILPOINT("router.stored_task");
	else if (t->origin == ORIGIN_ACT)
		FAILPOINT("router.stored_act");
	else if (t->origin == ORIGIN_DELAYED)
		FAILPOINT("router.stored_delayed");
	transit_ack(t);
	metric_observe(r->stats.hop, (double)(clock_mono_ns() - t->taken_mono_ns) / 1e9);
	if (t->bucket)
		bucket_let_go(t->bucket, t->bytes);
	if (t->call)
		run_durable(t->call);
	if (t->purge)
		purge_let_go(t->purge);
	forget(t);
	router_poke(r);
}

static void sweep(struct router *r, enum origin origin, int64_t now_ms, int64_t keep_ms)
{
	struct transit **all = &r->transits[origin], *t;

	while ((t = *all) && now_ms - t->kept_mono_ms >= keep_ms) {
		t->kept_mono_ms = now_ms;
		if (!t->acked && t->msg)
			js_working(r->bus, bus_msg_reply(t->msg));
		DL_DELETE(*all, t);
		DL_APPEND(*all, t);
	}
}

static void on_keep_alive(struct timeout *timeout)
{
	struct router *r = container_of(timeout, struct router, keep_alive);
	int64_t now_ms = clock_mono_ms();

	sweep(r, ORIGIN_TASKS, now_ms, KEEP_MS);
	sweep(r, ORIGIN_ACT, now_ms, KEEP_MS);
	sweep(r, ORIGIN_PURGE, now_ms, KEEP_MS);
	sweep(r, ORIGIN_DIRECT, now_ms, KEEP_MS);
	sweep(r, ORIGIN_DELAYED, now_ms, KEEP_DELAYED_MS);
	timeout_start(timeout, SWEEP_MS, on_keep_alive);
}

void transit_keep_alive(struct router *r)
{
	timeout_init(&r->keep_alive, r->timeouts);
	timeout_start(&r->keep_alive, SWEEP_MS, on_keep_alive);
}

void transit_drop_all(struct router *r)
{
	for (int o = 0; o < ORIGIN_COUNT; o++) {
		while (r->transits[o])
			forget(r->transits[o]);
	}
	while (r->spare) {
		struct transit *t = r->spare;
		r->spare = t->next;
		free(t);
	}
}
