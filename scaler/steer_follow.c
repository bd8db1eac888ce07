/*
 * What becomes of nodes that are on their way in or out. It stands alone as the only place that ends one by force.
 * Well: a node that is started is heard of; one that is drained becomes empty, is told to stop, and ends. Badly: one that
 * is never heard of is ended after START_TIMEOUT_MS; one that does not end when it is told, after STOP_TIMEOUT_MS; one
 * that was lost and lives (stopped, hanging), after LOST_TIMEOUT_MS: its work has moved long before.
 */
#include "scaler/steer_internal.h"

#include <signal.h>

#include "common/clock.h"

#define START_TIMEOUT_MS 60000
#define STOP_TIMEOUT_MS 45000
#define LOST_TIMEOUT_MS 20000

static void stop(struct member *m, const char *why)
{
	struct scaler *s = m->steer->scaler;

	if (m->pool->config->driver == DRIVER_EXEC) {
		m->stop_ms = clock_mono_ms();
		steer_note(m->steer, m->pool, "stop", m->name, why);
		steer_command(m, false);
		return;
	}
	if (!steer_ask(m, "stop"))
		return;
	m->stop_ms = clock_mono_ms();
	processes_signal(s->processes, m->name, 0);
	steer_note(m->steer, m->pool, "stop", m->name, why);
}

static void end_by_force(struct member *m, const char *why)
{
	steer_note(m->steer, m->pool, "lost", m->name, why);
	processes_signal(m->steer->scaler->processes, m->name, SIGKILL);
	m->stop_ms = m->started_ms = m->since_ms = clock_mono_ms();
}

static void follow_draining(struct member *m, const struct node_entry *n, int64_t now_ms)
{
	bool empty = n->status->used == 0 && n->status->n_agents == 0;

	if (!empty)
		m->empty_ms = 0;
	else if (!m->empty_ms)
		m->empty_ms = now_ms;
	/* Whoever drained it: a scaled node that does nothing is replaced, not kept. */
	if (n->status->scaled && m->empty_ms && !m->stop_ms && !m->call &&
		now_ms - m->empty_ms >= (m->drain_ms ? 0 : 30000))
		stop(m, "it was drained and is empty");
}

static void follow_member(struct steer *st, struct member *m, int64_t now_ms)
{
	const struct node_entry *n = roster_find(st->scaler->roster, m->name);
	const struct process *process = steer_process(st, m->name);
	const char *state = steer_state(n, m);

	if (str_eq(state, "draining"))
		follow_draining(m, n, now_ms);
	else if (str_eq(state, "ready"))
		m->empty_ms = 0;
	if (process && m->stop_ms && now_ms - m->stop_ms > STOP_TIMEOUT_MS)
		end_by_force(m, "it was told to stop and does not end: killed");
	else if (process && m->started_ms && now_ms - m->started_ms > START_TIMEOUT_MS)
		end_by_force(m, "it was started and never heard of: killed");
	else if (process && str_eq(state, "lost") && !m->stop_ms &&
			 now_ms - MAX_OF(n->seen_mono_ms, n->excused_mono_ms) > LOST_TIMEOUT_MS)
		end_by_force(m, "its process is there but was silent for too long: killed");
	else if (!process && m->started_ms && now_ms - m->started_ms > START_TIMEOUT_MS) {
		steer_note(st, m->pool, "lost", m->name, "it was started and never heard of");
		steer_died(st, m->pool, 0, false);
		m->started_ms = 0;
	}
}

void steer_follow(struct steer *st, struct pool *p)
{
	int64_t now_ms = clock_mono_ms();
	struct member *m, *tmp;

	HASH_ITER (hh, st->members, m, tmp) {
		if (m->pool != p)
			continue;
		follow_member(st, m, now_ms);
		if (!m->started_ms && !roster_find(st->scaler->roster, m->name) &&
			!steer_process(st, m->name))
			steer_member_drop(m);
	}
}
