/*
 * A due bucket. Well: its durable consumer is created (or found: all routers
 * share it), its messages are pulled and held until their second comes, then
 * go to their lanes with a raised epoch. When its ten seconds are past, it is
 * empty and nobody holds anything of it, the consumer is deleted. Badly: the
 * consumer is gone, or can't be made; then the bucket ends, and the sweep of
 * past buckets opens it again if anything is left. A message that was not
 * acked when its consumer was deleted stays in the stream and comes again.
 */
#include "router/bucket.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "router/dead.h"
#include "router/dispatch.h"

#define PULL_MAX 1000
#define PULL_EXPIRES_MS 3000
#define PULL_MAX_BYTES ((size_t)16 << 20)
/* A publisher whose clock is behind, or whose publish is under way, may still put something in. */
#define GRACE_NS (5 * NS_PER_S)
#define LOOK_AGAIN_MS 5000
#define GO_ON_MS 100 /* after a request that nobody answered */
#define INACTIVE_NS (600 * NS_PER_S)

static bool past(const struct bucket *b)
{
	return clock_wall_ns() >= (b->number + 1) * BUCKET_S * NS_PER_S + GRACE_NS;
}

static void end(struct bucket *b)
{
	feed_close(&b->feed);
	timeout_stop(&b->timeout);
	delay_bucket_ended(b->delay, b);
}

/* ---- one task ---- */

static void on_due(struct timeout *timeout)
{
	struct transit *t = container_of(timeout, struct transit, timeout);

	t->sub.epoch++;
	t->sub.due_wall_ns = 0;
	transit_count(t);
	dispatch_task(t);
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct bucket *b = data;
	struct transit *t = transit_new(b->router, ORIGIN_DELAYED, m);
	struct arrival a;
	struct err e;

	b->held++;
	b->held_bytes += t->bytes;
	t->bucket = b;
	transit_arrival(t, meta, &a);
	if (decode_returned(&a, &t->sub, &e)) {
		dead_bury(t, "invalid", "a message in DELAYED can't be understood: %s", e.text);
		return;
	}
	int64_t wait_ns = t->sub.due_wall_ns - clock_wall_ns();
	if (wait_ns > 0)
		timeout_start(&t->timeout, (wait_ns + NS_PER_MS - 1) / NS_PER_MS, on_due);
	else
		on_due(&t->timeout);
}

/* ---- the end ---- */

static void on_look_again(struct timeout *timeout)
{
	struct bucket *b = container_of(timeout, struct bucket, timeout);

	b->state = BUCKET_OPEN;
	feed_poke(b->feed);
}

static void on_deleted(void *data, const json_t *reply UNUSED, int server_code UNUSED,
					   const struct err *e)
{
	struct bucket *b = data;

	if (e && e->code != ERR_NOT_FOUND)
		log_debug("consumer not deleted; it goes by itself", LOG_S("consumer", b->consumer),
				  LOG_S("why", e->text));
	if (b->held > 0) /* a delivery that was under way: the end waits for it */
		timeout_start(&b->timeout, LOOK_AGAIN_MS, on_look_again);
	else
		end(b);
}

static void delete_consumer(struct bucket *b)
{
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.DELETE.DELAYED.%s", b->consumer);
	struct err e;

	b->state = BUCKET_DELETING;
	if (js_api(b->router->bus, verb, NULL, on_deleted, b, &e))
		end(b);
}

static void on_info(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct bucket *b = data;
	const json_t *pending = json_object_get(reply, "num_pending");
	const json_t *unacked = json_object_get(reply, "num_ack_pending");

	if (e && server_code == JS_ERR_CONSUMER_NOT_FOUND && b->held == 0) {
		end(b);
	} else if (!e && past(b) && b->held == 0 && json_integer_value(pending) == 0 &&
			   json_integer_value(unacked) == 0) {
		delete_consumer(b);
	} else {
		/* There is more of it; or another router holds the rest, or the broker is away. */
		bool more = !e && (!past(b) || json_integer_value(pending) > 0);
		timeout_start(&b->timeout, more ? GO_ON_MS : LOOK_AGAIN_MS, on_look_again);
	}
}

/* True: the feed rests until the answer. */
static bool look(struct bucket *b)
{
	CLEANUP(free_ptr) char *verb = NULL;
	struct err e;

	if (b->state != BUCKET_OPEN)
		return true;
	verb = xasprintf("CONSUMER.INFO.DELAYED.%s", b->consumer);
	if (js_api(b->router->bus, verb, NULL, on_info, b, &e))
		return false;
	b->state = BUCKET_LOOKING;
	return true;
}

static bool on_empty(void *data)
{
	struct bucket *b = data;

	return b->state != BUCKET_OPEN || (past(b) && b->held == 0 && look(b));
}

/* Another router may have emptied and deleted it while we asked for nothing. */
static bool on_lost(void *data)
{
	struct bucket *b = data;

	return bus_is_up(b->router->bus) && look(b);
}

static unsigned room(void *data)
{
	struct bucket *b = data;

	/* One that is being looked at may be deleted: what came now would come twice. */
	return b->state == BUCKET_OPEN ? delay_room(b->delay) : 0;
}

/* ---- the beginning ---- */

static int start_feed(struct bucket *b, struct err *e)
{
	struct feed_config c = {
		.stream = "DELAYED",
		.consumer = b->consumer,
		.batch = PULL_MAX,
		.expires_ms = PULL_EXPIRES_MS,
		.max_bytes = PULL_MAX_BYTES,
		.room = room,
		.on_msg = on_msg,
		.on_empty = on_empty,
		.on_lost = on_lost,
		.data = b,
	};
	return feed_open(b->router, &c, &b->feed, e);
}

static void on_created(void *data, const json_t *reply UNUSED, int server_code UNUSED,
					   const struct err *e)
{
	struct bucket *b = data;
	struct err why;

	if (!e && start_feed(b, &why) == 0) {
		b->state = BUCKET_OPEN;
		feed_poke(b->feed);
		return;
	}
	log_warn("a due bucket can't be read; the next sweep tries again",
			 LOG_S("consumer", b->consumer), LOG_S("why", e ? e->text : why.text));
	end(b);
}

static void on_create_failed(struct timeout *timeout)
{
	end(container_of(timeout, struct bucket, timeout));
}

struct bucket *bucket_open(struct delay *d, struct router *r, int64_t number)
{
	struct bucket *b = xcalloc(1, sizeof(*b));
	struct err e;

	b->delay = d;
	b->router = r;
	b->number = number;
	timeout_init(&b->timeout, r->timeouts);
	snprintf(b->consumer, sizeof(b->consumer), "b%lld", (long long)number);
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.DURABLE.CREATE.DELAYED.%s", b->consumer);
	json_t *body =
		json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:i, s:i, s:I}}", "stream_name",
				  "DELAYED", "config", "durable_name", b->consumer, "name", b->consumer,
				  "deliver_policy", "all", "ack_policy", "explicit", "replay_policy", "instant",
				  "filter_subject", json_sprintf("delay.%lld", (long long)number), "ack_wait",
				  (json_int_t)(BUCKET_ACK_WAIT_MS * NS_PER_MS), "max_deliver", (json_int_t)-1,
				  "max_ack_pending", 20000, "max_waiting", 512, "inactive_threshold",
				  (json_int_t)INACTIVE_NS);
	if (js_api(r->bus, verb, body, on_created, b, &e)) {
		log_warn("a due bucket can't be opened", LOG_S("consumer", b->consumer),
				 LOG_S("why", e.text));
		timeout_start(&b->timeout, 0, on_create_failed);
	}
	json_decref(body);
	return b;
}

void bucket_let_go(struct bucket *b, size_t bytes)
{
	b->held--;
	b->held_bytes -= bytes;
}

void bucket_free(struct bucket *b)
{
	feed_close(&b->feed);
	timeout_stop(&b->timeout);
	free(b);
}
