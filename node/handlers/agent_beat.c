/*
 * The heartbeat of an agent process. It stands apart from its tasks, as an
 * agent without work can hang too, and one with work is not to be judged by it.
 *
 * It goes well: an agent that said "ping": true in its "ready" gets a ping
 * each interval and answers with a pong. It fails: two pings in a row stay
 * unanswered until the third would be due: it is killed, and started again as
 * after a crash. Pings that went unanswered are counted, not the time: should
 * this node itself be stopped for a while, that proves nothing about an agent.
 */
#include "common/clock.h"
#include "node/handlers/worker.h"

enum { UNANSWERED_MAX = 2 };

static void on_beat(uv_timer_t *t)
{
	struct agent *a = t->data;
	if (a->state != AGENT_UP || a->hung || a->protocol.code < 0) {
		uv_timer_stop(t);
	} else if (a->unanswered >= UNANSWERED_MAX) {
		a->hung = true; /* takes nothing new */
		uv_timer_stop(t);
		child_kill(a->child);
		spawned_recount(a->worker);
	} else {
		a->unanswered++;
		agent_tell(a, json_pack("{s:s}", "op", "ping"));
	}
}

void agent_beat_start(struct agent *a)
{
	if (a->heartbeat_ms <= 0 || a->state != AGENT_UP)
		return;
	a->answers_pings = true;
	a->unanswered = 0;
	a->heard_wall_ns = clock_wall_ns();
	uv_timer_start(&a->beat, on_beat, (uint64_t)a->heartbeat_ms, (uint64_t)a->heartbeat_ms);
}

void agent_beat_stop(struct agent *a)
{
	uv_timer_stop(&a->beat);
}

void agent_beat_heard(struct agent *a)
{
	a->unanswered = 0;
	a->failures = 0; /* it lives: the next restart needs no long pause */
	a->heard_wall_ns = clock_wall_ns();
}
