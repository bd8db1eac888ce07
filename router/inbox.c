/*
 * TASKS into the router. It stands alone as the place where backpressure
 * begins: it asks for no more than may be in flight, in number and bytes, and
 * for nothing at all while a stream that everything needs is full or the
 * router drains. Then TASKS fills, and at its limit refuses its publishers,
 * who are told so by the broker. A message that is no task becomes a dead
 * letter, and nothing else is held up by it.
 */
#include "router/inbox.h"

#include "router/claims.h"
#include "router/dead.h"
#include "router/dispatch.h"
#include "router/feed.h"
#include "router/setup.h"
#include "router/shed.h"

/* An idle request is renewed this often; a router that was stopped strands at most what came within
 * it. */
#define EXPIRES_MS 5000
#define MAX_BYTES ((size_t)16 << 20)

struct inbox {
	struct router *router;
	struct feed *feed;
};

unsigned inbox_room(const struct router *r)
{
	size_t max = (size_t)r->config.in_flight;

	if (r->in_flight_bytes >= (size_t)r->config.in_flight_bytes || r->in_flight >= max)
		return 0;
	/* A request for a handful each time would cost more than it brings. */
	size_t room = max - r->in_flight;
	return room < max / 8 ? 0 : (unsigned)room;
}

static unsigned room(void *data)
{
	const struct inbox *in = data;

	return inbox_room(in->router);
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct inbox *in = data;
	struct router *r = in->router;
	struct transit *t = transit_new(r, ORIGIN_TASKS, m);
	struct arrival a;
	const char *why;
	struct err e;

	transit_count(t);
	transit_arrival(t, meta, &a);
	int rc = decode_submission(&r->rules, &a, &t->sub, &e);
	stats_received(&r->stats, rc ? NULL : t->sub.lane.type);
	if (rc)
		dead_bury(t, "invalid", "%s", e.text);
	else if ((why = shed_why(r->shed, t->sub.class)))
		dead_bury(t, SHED_REASON, "%s", why);
	else if (claims_needed(&a, &t->sub))
		claims_pass(t);
	else
		dispatch_task(t);
}

/* Sequences of a TASKS that was made anew begin at 1: its ids must not be those of the old one. */
static bool on_lost(void *data)
{
	const struct inbox *in = data;

	setup_look(in->router->setup);
	return false;
}

int inbox_open(struct router *r, struct inbox **ret, struct err *e)
{
	struct inbox *in = xcalloc(1, sizeof(*in));
	struct feed_config c = {
		.stream = "TASKS",
		.consumer = "router",
		.batch = (unsigned)r->config.batch,
		.expires_ms = EXPIRES_MS,
		.max_bytes = MAX_BYTES,
		.room = room,
		.on_msg = on_msg,
		.on_lost = on_lost,
		.data = in,
	};

	in->router = r;
	*ret = in;
	int rc = feed_open(r, &c, &in->feed, e);
	if (rc == 0)
		feed_poke(in->feed);
	return rc;
}

void inbox_poke(struct inbox *in)
{
	if (in)
		feed_poke(in->feed);
}

void inbox_free(struct inbox **pin)
{
	struct inbox *in = TAKE(*pin);

	if (!in)
		return;
	feed_close(&in->feed);
	free(in);
}
