/*
 * Task-Unique. It stands alone as the one thing for which a router needs the
 * store. Whether the first task has ended is a fact of the table, so the table
 * decides: a claim is one transaction there, the same for all routers and
 * after every restart, and the same task may claim again and again.
 *
 * It goes well: claimed, then onto its lane as any task. Another unfinished
 * one has the key: it ends here, cancelled, and the sentence names that one.
 * It fails: no store, or no database: the task waits in DELAYED, 1 s growing
 * to 60 s, and asks again; it is never run on a guess. Tasks without a key
 * know nothing of all this.
 */
#include "router/unique.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/control.pb-c.h"
#include "router/cancel.h"
#include "router/delay.h"
#include "router/dispatch.h"

#define ASK_MS 5000

static void put_off(struct transit *t, const char *why)
{
	struct router *r = t->router;

	if (!r->claims_wait)
		log_warn("tasks with a unique key wait: the store does not answer", LOG_S("why", why));
	r->claims_wait = true;
	if (t->sub.due_wall_ns > clock_wall_ns())
		delay_put(t, t->sub.due_wall_ns); /* it asks again when it comes back */
	else
		dispatch_defer(t);
}

static void take(struct transit *t, const Millrace__TaskClaimed *answer)
{
	struct router *r = t->router;

	if (r->claims_wait)
		log_info("unique keys are told again");
	r->claims_wait = false;
	if (answer->granted) {
		t->claimed = true;
		dispatch_task(t);
		return;
	}
	cancel_end(t, "duplicate", "not run: task %.128s of this type has the unique key \"%.255s\"",
			   answer->holder, t->sub.unique);
}

static void on_reply(void *data, struct bus_msg **m, const struct err *e)
{
	struct transit *t = data;
	ProtobufCMessage *answer = NULL;
	struct err why;

	t->claim = NULL;
	if (e) {
		put_off(t, e->text);
		return;
	}
	const char *error = bus_msg_header(*m, "Nats-Service-Error");
	if (error) {
		put_off(t, error);
	} else if (codec_decode(&millrace__task_claimed__descriptor, bus_msg_header(*m, H_CONTENT_TYPE),
							bus_msg_data(*m), bus_msg_len(*m), &answer, &why)) {
		put_off(t, why.text);
	} else {
		take(t, (const Millrace__TaskClaimed *)answer);
		codec_free(answer);
	}
}

bool unique_ask(struct transit *t)
{
	const struct submission *s = &t->sub;
	CLEANUP(buf_release) struct buf body = {0};
	Millrace__TaskClaim claim = MILLRACE__TASK_CLAIM__INIT;
	struct err e;

	/* What comes by events.act ran: it has the key, and is not to lose it. */
	if (!s->unique || t->claimed || t->origin == ORIGIN_ACT)
		return false;
	claim.id = (char *)s->id;
	claim.type = (char *)s->lane.type;
	claim.key = (char *)s->unique;
	claim.keep_ms = s->unique_for_ns / NS_PER_MS;
	codec_pack(&claim.base, &body);
	struct bus_header type = {H_CONTENT_TYPE, CONTENT_PROTOBUF};
	struct bus_out out = {.subject = "api.task.claim",
						  .data = body.data,
						  .len = body.len,
						  .headers = &type,
						  .nheaders = 1};
	if (bus_request(t->router->bus, &out, ASK_MS, on_reply, t, &t->claim, &e))
		put_off(t, e.text);
	return true;
}
