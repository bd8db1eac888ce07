/*
 * The queue of a node that is gone. It stands alone because it is the one
 * place where the router consumes what it published itself.
 *
 * Well: the node's own durable is pulled; what it had not begun comes at once,
 * what it ran when it died comes when its ack_wait is over; each is placed
 * anew under a raised epoch and acked when that is stored. A node that is
 * draining keeps what it runs, by +WPI. Badly: the node comes back in the
 * middle: it and we share the durable, so each message has one of us. The
 * durable is gone: the next look at DIRECT makes it anew.
 *
 * A publish begins the delivery count anew, so what was delivered before goes
 * with the task: else one that kills its nodes would kill them all.
 */
#include "router/rescue.h"

#include "common/log.h"
#include "router/dead.h"
#include "router/dispatch.h"
#include "router/feed.h"
#include "router/inbox.h"

#define BATCH 500
#define EXPIRES_MS 3000
#define MAX_BYTES ((size_t)16 << 20)
#define DELIVERIES_MAX 10 /* as a node's own limit */

struct rescue {
	struct router *router;
	struct feed *feed;
};

static unsigned room(void *data)
{
	const struct rescue *s = data;

	return inbox_room(s->router);
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct rescue *s = data;
	struct transit *t = transit_new(s->router, ORIGIN_DIRECT, m);
	struct arrival a;
	struct err e;

	transit_count(t);
	transit_arrival(t, meta, &a);
	if (decode_returned(&a, &t->sub, &e)) {
		dead_bury(t, "invalid", "a message in DIRECT can't be understood: %s", e.text);
		return;
	}
	t->sub.deliveries += (unsigned)MIN_OF(meta->delivered - 1, UINT64_C(1000));
	if (t->sub.deliveries > DELIVERIES_MAX) {
		dead_bury(t, "deliveries", "delivered %u times without an outcome", t->sub.deliveries);
		return;
	}
	metric_add(s->router->stats.redirected, 1);
	t->sub.epoch++;
	t->sub.due_wall_ns = 0;
	dispatch_task(t);
}

struct rescue *rescue_open(struct router *r, struct direct_queue *q)
{
	struct rescue *s = xcalloc(1, sizeof(*s));
	struct feed_config c = {
		.stream = "DIRECT",
		.consumer = q->consumer,
		.batch = BATCH,
		.expires_ms = EXPIRES_MS,
		.max_bytes = MAX_BYTES,
		.room = room,
		.on_msg = on_msg,
		.data = s,
	};
	struct err e;

	s->router = r;
	if (feed_open(r, &c, &s->feed, &e)) {
		log_warn("a gone node's tasks can't be taken; trying again", LOG_S("consumer", q->consumer),
				 LOG_S("why", e.text));
		free(s);
		return NULL;
	}
	feed_poke(s->feed);
	return s;
}

void rescue_poke(struct rescue *s)
{
	feed_poke(s->feed);
}

void rescue_close(struct rescue **ps)
{
	struct rescue *s = TAKE(*ps);

	if (!s)
		return;
	feed_close(&s->feed);
	free(s);
}
