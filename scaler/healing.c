/*
 * Between healing and the pools. It stands alone so that neither knows the
 * other. A node that hangs is killed where its process is ours to kill: its
 * pool then starts another, as after any death. A quarantined node that a
 * scaler started is drained for good by its pool.
 */
#include "scaler/healing.h"

#include <signal.h>

#include "scaler/lead.h"
#include "scaler/processes.h"
#include "scaler/steer.h"

static int restart_node(void *data, const char *node, struct err *e)
{
	struct scaler *s = data;

	if (!lead_holds(s->lead))
		return err_set(e, ERR_CONFLICT, "this scaler leads no more");
	if (!processes_find(s->processes, node))
		return err_set(e, ERR_NOT_FOUND,
					   "node %s has no process on this machine any more; its pool decides about another",
					   node);
	processes_signal(s->processes, node, SIGKILL);
	return 0;
}

static bool quarantine(void *data, const char *node, const char *why)
{
	struct scaler *s = data;

	return lead_holds(s->lead) && steer_bar(s->steer, node, why);
}

int healing_open(struct scaler *s, struct err *e)
{
	const struct heal_hooks hooks = {s->roster, restart_node, quarantine, s};

	return heal_new(&s->config.heal, s->bus, &hooks, s->config.name, &s->heal, e);
}
