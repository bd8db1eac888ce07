/*
 * What nodes could not finish. Well: a message of events.act is the task
 * whole, with how its attempt ended; policy.h decides, and it goes to its lane
 * or DELAYED once more with the next attempt and epoch, or becomes a dead
 * letter. The message is acked when that is stored. A redelivery decides the
 * same and publishes under the same Nats-Msg-Id. A message that is no task is
 * a dead letter too: a node in another language may get it wrong.
 */
#include "router/act.h"

#include <strings.h>

#include "common/log.h"
#include "common/task.h"
#include "router/cancel.h"
#include "router/dead.h"
#include "router/delay.h"
#include "router/dispatch.h"
#include "router/feed.h"
#include "router/inbox.h"

#define BATCH 500
#define EXPIRES_MS 5000
#define MAX_BYTES ((size_t)16 << 20)

struct act {
	struct router *router;
	struct feed *feed;
};

static unsigned room(void *data)
{
	const struct act *a = data;

	return inbox_room(a->router);
}

static int64_t time_of(const struct arrival *a, const char *name)
{
	const char *text = arrival_header(a, name);
	int64_t ns;

	return text && time_parse(text, &ns, NULL) == 0 ? ns : 0;
}

static void read_attempt(const struct arrival *a, const struct submission *s,
						 struct failed_attempt *f)
{
	const char *outcome = arrival_header(a, H_OUTCOME),
			   *reason = arrival_header(a, H_OUTCOME_REASON),
			   *permanent = arrival_header(a, H_OUTCOME_PERMANENT),
			   *retry_after = arrival_header(a, H_OUTCOME_RETRY_AFTER);

	*f = (struct failed_attempt){
		.attempt = s->attempt,
		.deferrals = s->deferrals,
		.returned = outcome && strcasecmp(outcome, "returned") == 0,
		.permanent = permanent && strcasecmp(permanent, "true") == 0,
		.poison = reason && str_eq(reason, "deliveries"),
		.seed = policy_seed(s->id, s->attempt + s->deferrals),
	};
	/* A node's advice that can't be read is none. */
	if (retry_after && duration_parse(retry_after, &f->retry_after_ns, NULL))
		f->retry_after_ns = 0;
}

static struct retry_rule rule_of(const struct router *r, const struct arrival *a,
								 const struct submission *s)
{
	struct retry_rule rule = r->retry;
	const char *backoff = arrival_header(a, H_TASK_BACKOFF);
	struct err e;

	if (s->attempts)
		rule.attempts = s->attempts;
	if (backoff && policy_backoff_parse(backoff, &rule, &e))
		log_warn("a task's backoff can't be read; the default holds", LOG_S("task", s->id),
				 LOG_S("why", e.text));
	return rule;
}

static void go_on(struct transit *t, int64_t due_wall_ns)
{
	t->sub.epoch++;
	t->sub.due_wall_ns = due_wall_ns;
	dispatch_task(t);
}

static void decide(struct transit *t, const struct arrival *a)
{
	struct router *r = t->router;
	struct submission *s = &t->sub;
	struct retry_rule rule = rule_of(r, a, s);
	struct failed_attempt f;
	const char *error = arrival_header(a, H_OUTCOME_ERROR),
			   *reason = arrival_header(a, H_OUTCOME_REASON);

	read_attempt(a, s, &f);
	/* Moved to another node: at once where it is the first time, whatever the old one says of it. */
	if ((reason && str_eq(reason, "reassigned")) || cancel_moved(r, s)) {
		int64_t wait_ns = s->deferrals ? policy_deferral_ns(s->deferrals, f.seed) : 0;
		s->deferrals++;
		go_on(t, wait_ns ? a->stored_wall_ns + wait_ns : 0);
		return;
	}
	struct policy_decision d = policy_after_failure(&rule, &f);
	/* Counted from when EVENTS stored it, so that a redelivery means the same moment. */
	int64_t due_ns = d.delay_ns ? a->stored_wall_ns + d.delay_ns : 0;
	switch (d.verdict) {
	case POLICY_RETRY:
		metric_add(r->stats.retried, 1);
		s->attempt++;
		go_on(t, due_ns);
		return;
	case POLICY_DEFER:
		s->deferrals++;
		go_on(t, due_ns);
		return;
	case POLICY_BURY:
		t->burial.node = arrival_header(a, H_OUTCOME_NODE);
		t->burial.started_wall_ns = time_of(a, H_OUTCOME_STARTED);
		t->burial.finished_wall_ns = time_of(a, H_OUTCOME_FINISHED);
		dead_bury(t, reason ? reason : "error", "%s", error ? error : "failed without a word");
		return;
	}
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct act *act = data;
	struct transit *t = transit_new(act->router, ORIGIN_ACT, m);
	struct arrival a;
	struct err e;

	transit_count(t);
	transit_arrival(t, meta, &a);
	if (decode_returned(&a, &t->sub, &e)) {
		log_warn("a message on events.act is no task", LOG_S("why", e.text));
		dead_bury(t, "invalid", "a message on events.act can't be understood: %s", e.text);
		return;
	}
	t->sub.due_wall_ns = 0;
	if (cancel_stop(t))
		return;
	decide(t, &a);
}

int act_open(struct router *r, struct act **ret, struct err *e)
{
	struct act *a = xcalloc(1, sizeof(*a));
	struct feed_config c = {
		.stream = "EVENTS",
		.consumer = "act",
		.batch = BATCH,
		.expires_ms = EXPIRES_MS,
		.max_bytes = MAX_BYTES,
		.room = room,
		.on_msg = on_msg,
		.data = a,
	};

	a->router = r;
	*ret = a;
	int rc = feed_open(r, &c, &a->feed, e);
	if (rc == 0)
		feed_poke(a->feed);
	return rc;
}

void act_poke(struct act *a)
{
	if (a)
		feed_poke(a->feed);
}

void act_free(struct act **pa)
{
	struct act *a = TAKE(*pa);

	if (!a)
		return;
	feed_close(&a->feed);
	free(a);
}
