/*
 * What is marked in `cancels` and comes through this router. It stands alone
 * because TASKS, DELAYED, events.act and run.<type> all lead through it.
 *
 * It goes well: a task that is marked is not put on its lane; its end is
 * recorded (events.done, state cancelled), whoever waits for it is told, its
 * message is acked. The marker alone is enough for that: a store that died
 * between the marker and the row changes nothing. A task that is to run
 * elsewhere gets the headers that say where. It fails as recording fails:
 * while EVENTS is full the task is held. A marker that is not known here yet
 * is met by the node.
 */
#include "router/cancel.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "common/cancels.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/task.h"
#include "router/record.h"

#define H_TASK_NODE "Task-Node"
#define H_TASK_NOT_NODES "Task-Not-Nodes"

static void on_known(void *data)
{
	router_learned(data);
}

int cancel_watch(struct router *r, struct err *e)
{
	return cancels_open(r->bus, &(struct cancels_events){.on_known = on_known, .data = r},
						&r->cancels, e);
}

bool cancel_stop(struct transit *t)
{
	const struct submission *s = &t->sub;
	const struct marked_task task = {s->id, s->lane.type, s->lane.name, s->project,
									 s->submitted_wall_ns};

	if (!cancels_meant(t->router->cancels, &task))
		return false;
	cancel_end(t, "cancelled", "it was cancelled before it ran");
	return true;
}

void cancel_end(struct transit *t, const char *reason, const char *fmt, ...)
{
	char words[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	free(t->error);
	t->error = xstrdup(words);
	t->burial =
		(struct burial){.reason = reason, .error = t->error, .finished_wall_ns = clock_wall_ns()};
	t->cancelled = true;
	metric_add(t->router->stats.cancelled, 1);
	log_debug("cancelled", LOG_S("task", t->sub.id), LOG_S("type", t->sub.lane.type),
			  LOG_S("reason", reason));
	record_dead(t->router->record, t);
}

static bool says_where(const char *name)
{
	return strcasecmp(name, H_TASK_NODE) == 0 || strcasecmp(name, H_TASK_NOT_NODES) == 0;
}

void cancel_move(struct transit *t)
{
	struct submission *s = &t->sub;
	const struct marker *m = cancels_move(t->router->cancels, s->id);
	size_t n = 0;

	if (!m)
		return;
	struct bus_header *list = submission_keep(&s->kept, (s->nheaders + 1) * sizeof(*list));
	for (size_t i = 0; i < s->nheaders; i++) {
		if (!says_where(s->headers[i].name))
			list[n++] = s->headers[i];
	}
	const char *node = m->node[0] ? m->node : m->not_node;
	list[n++] = (struct bus_header){m->node[0] ? H_TASK_NODE : H_TASK_NOT_NODES,
									submission_keep_text(&s->kept, node, strlen(node))};
	s->headers = list;
	s->nheaders = n;
}

bool cancel_moved(const struct router *r, const struct submission *s)
{
	const struct marker *m = cancels_move(r->cancels, s->id);

	return m && s->epoch <= m->epoch;
}
