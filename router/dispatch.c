/*
 * Onto its lane. Well: a publish to work.<lane>.<class> whose PubAck hands
 * the task to the record. What is due later goes to DELAYED, and so does what
 * its lane refuses because it is full: that lane alone, while the
 * others go on. A stream that is not there is made anew, what does not fit is
 * buried, silence is repeated under the same Nats-Msg-Id for ever.
 */
#include "router/dispatch.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "router/cancel.h"
#include "router/dead.h"
#include "router/delay.h"
#include "router/lanes.h"
#include "router/place.h"
#include "router/record.h"
#include "router/retry.h"
#include "router/unique.h"
#include "router/wake.h"

#define LANE_DEADLINE_MS 4000 /* then: is the stream still there? */
#define AGAIN_MS 200

static void on_again(struct timeout *timeout)
{
	dispatch_pull(container_of(timeout, struct transit, timeout));
}

/* Nothing was decided: the same once more. */
static void again(struct transit *t)
{
	timeout_start(&t->timeout, AGAIN_MS, on_again);
}

static void refused(struct transit *t, const struct err *e)
{
	switch ((enum err_code)e->code) {
	case ERR_FULL:
		dispatch_defer(t);
		return;
	case ERR_NOT_FOUND:
		/* The last thing heard before the connection broke says nothing. */
		if (!bus_is_up(t->router->bus)) {
			again(t);
			return;
		}
		lane_lost(t->lane);
		lane_await(t->lane, t);
		return;
	case ERR_INVALID:
	case ERR_TOO_LARGE:
		dead_bury(t, "invalid", "it can't be put on lane %s: %s", t->lane->lane.name, e->text);
		return;
	case ERR_OK:
	case ERR_EXISTS:
	case ERR_UNREACHABLE:
	case ERR_TIMEOUT:
	case ERR_DENIED:
	case ERR_CONFLICT:
	case ERR_CLOSED:
	case ERR_IO:
	case ERR_PROTOCOL:
	case ERR_FAILED:
		again(t);
		return;
	}
	again(t);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct transit *t = data;

	if (e) {
		/* Silence may have been a lost PubAck; a refusal is none. */
		if (e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE)
			t->published = true;
		refused(t, e);
		return;
	}
	FAILPOINT("router.on_lane");
	t->lane_seq = ack->seq;
	metric_add(t->router->stats.dispatched, 1);
	wake_lane(t->router->wake, t->lane);
	record_queued(t->router->record, t);
}

void dispatch_pull(struct transit *t)
{
	struct router *r = t->router;
	char msg_id[MSG_ID_MAX];
	struct err e;

	headers_msg_id(&t->sub, "", msg_id);
	headers_make(&r->headers, TO_LANE, &t->sub, msg_id, NULL);
	struct bus_out out = {.subject = t->lane->subject[retry_class(&t->sub)],
						  .data = t->sub.body,
						  .len = t->sub.body_len,
						  .headers = r->headers.items,
						  .nheaders = r->headers.n};
	int rc = js_publish(r->bus, &out, LANE_DEADLINE_MS, on_puback, t, &e);
	if (rc == ERR_FULL) /* of publishes in this process, not of the lane */
		again(t);
	else if (rc)
		refused(t, &e);
}

void dispatch_to_lane(struct transit *t)
{
	/* What may be on the lane already must not go elsewhere as well. */
	if (!t->published && place_wanted(t))
		place_task(t);
	else
		dispatch_pull(t);
}

void dispatch_defer(struct transit *t)
{
	int64_t wait_ns =
		policy_deferral_ns(t->sub.deferrals, policy_seed(t->sub.id, t->sub.deferrals));

	t->sub.deferrals++;
	delay_put(t, clock_wall_ns() + wait_ns);
}

void dispatch_task(struct transit *t)
{
	struct router *r = t->router;
	struct submission *s = &t->sub;
	int64_t now_ns = s->due_wall_ns || s->expires_wall_ns ? clock_wall_ns() : 0;
	struct err e;

	if (cancel_stop(t))
		return;
	if (s->expires_wall_ns && s->expires_wall_ns <= now_ns) {
		char when[32];
		time_format(s->expires_wall_ns, when);
		dead_bury(t, "expired", "it expired at %s, before attempt %u could begin", when,
				  s->attempt);
		return;
	}
	if (unique_ask(t))
		return;
	cancel_move(t);
	if (s->due_wall_ns > now_ns) {
		delay_put(t, s->due_wall_ns);
		return;
	}
	s->due_wall_ns = 0;
	retry_complete(r, s);
	if (!t->lane && lanes_get(r->lanes, &s->lane, &t->lane, &e)) {
		dead_bury(t, "invalid", "%s", e.text);
		return;
	}
	/* A paused lane fills up like any other: only nodes mind the pause. But what expires comes out
	 * in time of DELAYED alone. */
	if (s->expires_wall_ns && lane_setting_closed(&t->lane->set, now_ns))
		dispatch_defer(t);
	else if (t->lane->state == LANE_READY)
		dispatch_to_lane(t);
	else
		lane_await(t->lane, t);
}
