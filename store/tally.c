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

	struct metric_by *by = row->state == MILLRACE__STATE__STATE_COMPLETED   ? t->completed
						   : row->state == MILLRACE__STATE__STATE_DEAD      ? t->dead
						   : row->state == MILLRACE__STATE__STATE_CANCELLED ? t->cancelled
																			: NULL;
	if (!by)
		return;

	struct metric *m = metric_of(by, type);
	if (metric_value(m) ==
		0) { /* the others are told from then on, too: as 0, which is what a share is made of */
		(void)metric_of(t->completed, type);
		(void)metric_of(t->dead, type);
		(void)metric_of(t->cancelled, type);
	}
	metric_add(m, 1);
}
