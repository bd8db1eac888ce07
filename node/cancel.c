/*
 * Markers, as a node heeds them. It stands alone between the table of markers
 * (common/cancels) and the executions.
 *
 * It goes well: before a lane is served, all markers are known; a delivery
 * that is marked is settled unrun; a marker that comes while its task runs
 * ends the handler (kind->cancel: TERM, then KILL), and the outcome is
 * "cancelled", or "returned" where the task is to run elsewhere. It fails: a
 * marker that came too late finds the task done, and that outcome counts. A
 * handler that does not let go is killed by its kind.
 */
#include "node/cancel.h"

#include "common/cancels.h"
#include "common/log.h"
#include "node/running.h"

struct cancel {
	struct cancels *table;
	void (*on_known)(struct node *n);
};

static enum run_stop stop_of(const struct marker *m, const struct run *r)
{
	const struct marked_task t = {r->task.id, r->lane->lane.type, r->lane->lane.name,
								  r->task.project, r->task.submitted_wall_ns};

	if (m->kind == MARKER_MOVE)
		return str_eq(m->id, r->task.id) && marker_excludes(m, r->node->config->name) ? RUN_MOVED
																					  : RUN_GOES_ON;
	return marker_cancels(m, &t) ? RUN_CANCELLED : RUN_GOES_ON;
}

enum run_stop cancel_of(const struct run *r)
{
	const struct cancel *c = r->node->cancel;
	const struct marked_task t = {r->task.id, r->lane->lane.type, r->lane->lane.name,
								  r->task.project, r->task.submitted_wall_ns};

	if (!c)
		return RUN_GOES_ON;
	if (cancels_meant(c->table, &t))
		return RUN_CANCELLED;
	const struct marker *m = cancels_move(c->table, r->task.id);
	return m ? stop_of(m, r) : RUN_GOES_ON;
}

static void look_at(void *data, struct run *r)
{
	enum run_stop why = stop_of(data, r);

	if (why == RUN_GOES_ON || r->stop != RUN_GOES_ON)
		return;
	log_info(why == RUN_MOVED ? "ended, to run elsewhere" : "cancelled while it ran",
			 LOG_S("task", r->task.id), LOG_S("lane", r->lane->lane.name));
	run_stop(r, why);
}

static void on_marker(void *data, const struct marker *m)
{
	struct node *n = data;

	running_each_begun(n->running, look_at, (void *)m);
}

static void on_known(void *data)
{
	struct node *n = data;
	void (*tell)(struct node * n) = TAKE(n->cancel->on_known);

	if (tell)
		tell(n);
}

int cancel_watch(struct node *n, void (*tell)(struct node *n), struct err *e)
{
	n->cancel = xcalloc(1, sizeof(*n->cancel));
	n->cancel->on_known = tell;
	return cancels_open(
		n->bus, &(struct cancels_events){.on_known = on_known, .on_marker = on_marker, .data = n},
		&n->cancel->table, e);
}

void cancel_close(struct node *n)
{
	struct cancel *c = TAKE(n->cancel);

	if (!c)
		return;
	cancels_close(&c->table);
	free(c);
}
