/*
 * The ends of tasks as they are stored, by type. It stands alone as the one place where an end
 * counts once, whoever ran the task: nodes count executions, and know nothing of those of others.
 * It cannot fail. An end that is delivered again, as a store died between commit and ack, is
 * counted again, by another process.
 */
#include "store/tally.h"

#include "common/token.h"

void tally_init(struct tally *t)
{
	t->completed = metric_counter_by("millrace_store_tasks_completed_total",
									 "Tasks whose end was stored as completed, by type.", "type");
	t->dead = metric_counter_by("millrace_store_tasks_dead_total",
								"Tasks whose end was stored as dead, by type.", "type");
	t->cancelled = metric_counter_by("millrace_store_tasks_cancelled_total",
									 "Tasks whose end was stored as cancelled, by type.", "type");
}

void tally_count(struct tally *t, const struct task_row *row)
{
	const char *type = row->type && token_ok(row->type, strlen(row->type)) ? row->type : "_invalid";

	if (row->state == MILLRACE__STATE__STATE_COMPLETED)
		metric_add(metric_of(t->completed, type), 1);
	else if (row->state == MILLRACE__STATE__STATE_DEAD)
		metric_add(metric_of(t->dead, type), 1);
	else if (row->state == MILLRACE__STATE__STATE_CANCELLED)
		metric_add(metric_of(t->cancelled, type), 1);
}
