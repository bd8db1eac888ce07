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
#include "router/breaker.h"
#include "router/cancel.h"
#include "router/dead.h"
#include "router/delay.h"
#include "router/dispatch.h"
#include "router/feed.h"
#include "router/inbox.h"
#include "router/retry.h"

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

/* It goes on as a header and into the fingerprint: a stranger's that could do neither is none. */
static const char *version_of(const struct arrival *a)
{
	const char *version = arrival_header(a, H_OUTCOME_VERSION);

	return version && *version && strlen(version) <= TOKEN_MAX && header_passes("X", version)
			   ? version
			   : NULL;
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

static void go_on(struct transit *t, int64_t due_wall_ns)
{
	t->sub.epoch++;
	t->sub.due_wall_ns = due_wall_ns;
	dispatch_task(t);
}

/*
 * A failure that a breaker stands for spends nothing: the task waits as it was. Who allowed one
 * attempt alone meant it, and where trying again cannot help, waiting cannot either.
 */
static bool wave(struct transit *t, const struct arrival *a, const struct failed_attempt *f,
				 const struct retry_rule *rule, enum policy_verdict verdict)
{
	const char *error = arrival_header(a, H_OUTCOME_ERROR);
	char fingerprint[FINGERPRINT_MAX + 1];
	int64_t until_wall_ns;

	fingerprint_make(t->sub.lane.type, error ? error : "", version_of(a), fingerprint);
	struct breaker_failure failure = {.lane = &t->sub.lane,
									  .fingerprint = fingerprint,
									  .error = error ? error : "",
									  .seed = f->seed,
									  .retried = verdict == POLICY_RETRY};
	if (!breakers_failed(t->router->breakers, &failure, &until_wall_ns) || f->permanent ||
		f->poison || rule->attempts <= 1)
		return false;
	t->sub.deferrals++;
	go_on(t, until_wall_ns);
	return true;
}

static void decide(struct transit *t, const struct arrival *a)
{
	struct router *r = t->router;
	struct submission *s = &t->sub;
	struct retry_rule rule = retry_rule_of(r, s);
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
	if (!f.returned && wave(t, a, &f, &rule, d.verdict))
		return;
	/* Counted from when EVENTS stored it, so that a redelivery means the same moment. */
	int64_t due_ns = d.delay_ns ? a->stored_wall_ns + d.delay_ns : 0;
	switch (d.verdict) {
	case POLICY_RETRY:
		metric_add(r->stats.retried, 1);
		s->attempt++;
		retry_avoid(r, s, arrival_header(a, H_OUTCOME_NODE));
		go_on(t, due_ns);
		return;
	case POLICY_DEFER:
		s->deferrals++;
		retry_returned(s, reason);
		go_on(t, due_ns);
		return;
	case POLICY_BURY:
		t->burial.node = arrival_header(a, H_OUTCOME_NODE);
		t->burial.version = version_of(a);
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
