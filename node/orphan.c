/*
 * Whether there is still a scaler. It stands alone as it ends the whole node,
 * and must never do so for a wrong reason.
 *
 * Well: every two seconds the lease's last revision is read, it is another
 * one, nothing happens. The scaler is gone and none takes its place: after
 * orphan_after the node drains and ends as on SIGTERM. Badly: the broker
 * is away or slow: such time is not counted, for then no lease can be renewed.
 * Our own clock counts, not the lease's ttl: who renews late still lives.
 */
#include "node/orphan.h"

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"

struct orphan {
	struct node *node;
	struct timeout look;
	struct lease_watch lease;
	bool asking;
};

int64_t lease_seen(struct lease_watch *w, uint64_t revision, int64_t now_ms)
{
	if (revision != w->revision)
		w->silent_ms = 0;
	else if (w->seen_ms)
		w->silent_ms += MIN_OF(MAX_OF(now_ms - w->seen_ms, 0), ORPHAN_STEP_MAX_MS);
	w->revision = revision;
	w->seen_ms = now_ms;
	return w->silent_ms;
}

void lease_unseen(struct lease_watch *w)
{
	w->seen_ms = 0;
}

static void on_lease(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct orphan *o = data;
	char after[32];

	o->asking = false;
	if (e && e->code != ERR_NOT_FOUND) {
		lease_unseen(&o->lease);
		return;
	}
	int64_t silent_ms = lease_seen(&o->lease, entry ? entry->revision : 0, clock_mono_ms());
	if (silent_ms < o->node->config->orphan_after_ns / NS_PER_MS || o->node->life == NODE_STOPPING)
		return;
	duration_format(o->node->config->orphan_after_ns, after);
	log_warn("no scaler leads any more; this node, which one started, ends in order",
			 LOG_S("orphan_after", after), LOG_I("silent_ms", silent_ms));
	daemon_stop(o->node->daemon);
}

static void on_look(struct timeout *t)
{
	struct orphan *o = container_of(t, struct orphan, look);
	struct err e;

	timeout_start(t, ORPHAN_LOOK_MS, on_look);
	if (o->asking)
		return;
	if (!bus_is_up(o->node->bus) ||
		kv_get_last(o->node->bus, "leases", "leader.scaler", on_lease, o, &e))
		lease_unseen(&o->lease);
	else
		o->asking = true;
}

struct orphan *orphan_open(struct node *n)
{
	struct orphan *o = xcalloc(1, sizeof(*o));

	o->node = n;
	timeout_init(&o->look, bus_timeouts(n->bus));
	timeout_start(&o->look, ORPHAN_LOOK_MS, on_look);
	return o;
}

void orphan_close(struct orphan **op)
{
	struct orphan *o = TAKE(*op);

	if (!o)
		return;
	timeout_stop(&o->look);
	free(o);
}
