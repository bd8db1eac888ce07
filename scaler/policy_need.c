/*
 * How many nodes are needed, by four rules of which the largest number holds:
 *
 *	wait      fewest slots with which Erlang's C formula keeps the promise
 *	full      what will be in use when a node that starts now is ready, over the share
 *	backlog   the load, and what waits worked off within the promise
 *	forecast  wait and full again, by the rate that is expected
 *
 * It stands alone because it only looks: what is made of it over time
 * (cooldowns, steps) is policy.c. While no handler time is known a task is taken
 * to last for ever: each that waits needs a slot of its own. Tasks that wait
 * beside free slots are nobody's here (no handler, a lane's limit), and
 * nodes of the same kind would not take them: they ask for none.
 */
#include "scaler/policy_need.h"

#include <math.h>

#include "scaler/policy_wait.h"

/* Nodes tell what is in use every two seconds: a task that waits longer beside a free slot is not merely one that was not seen to begin. */
#define SEEN_S 4.0

static double most_full(const struct policy_rule *r)
{
	return r->full > 0.05 ? MIN_OF(r->full, 1.0) : 0.05;
}

bool policy_busy(const struct policy_rule *r, const struct policy_view *v)
{
	return v->ready > 0 && v->used >= most_full(r) * v->ready * r->slots;
}

bool policy_idle(const struct policy_rule *r, const struct policy_view *v)
{
	return v->waiting == 0 && v->used == 0 && v->arrival_per_s * r->idle_s < 1;
}

static void ask(struct policy_need *need, unsigned nodes, enum policy_reason reason)
{
	if (nodes > need->nodes) {
		need->nodes = nodes;
		need->reason = reason;
	}
}

/* "From this share on it grows": at the share itself one more. */
static unsigned under_full(const struct policy_rule *r, double used)
{
	double nodes = used / (most_full(r) * r->slots);
	unsigned whole = policy_ceil(nodes);

	return used > 0 && whole <= nodes + 1e-9 ? whole + 1 : whole;
}

/*
 * Slots in use when a node that is started now is ready. Of those in use now e^(-start/s) still run the same task
 * (all of long ones, none of short ones: a busy moment of short tasks is chance); the load takes the place of the rest.
 */
static double used_then(const struct policy_rule *r, const struct policy_view *v, double load)
{
	double stay = v->service_s > 0 ? exp(-r->start_s / v->service_s) : 1;

	return load + (v->used - load) * stay;
}

/* By Erlang's formula, and under full. */
static void ask_load(struct policy_need *need, const struct policy_rule *r,
					 const struct policy_view *v, double load, enum policy_reason wait,
					 enum policy_reason full)
{
	if (v->service_s > 0 && load > 0)
		ask(need, policy_wait_nodes(load / v->service_s, v->service_s, r->promise_s, r->slots),
			wait);
	ask(need, under_full(r, load), full);
}

/* Slots: what will be in use, and what waits worked off within the promise; of tasks longer than it, one slot each. */
static double backlog_slots(const struct policy_rule *r, const struct policy_view *v, double load)
{
	double service_s = v->service_s, waiting = (double)v->waiting;

	if (!(service_s > 0))
		return v->used + waiting;

	double busy = used_then(r, v, load);

	/* What the nodes that are there will have worked off before another is ready. */
	double spare = (v->ready + v->starting / 2.0) * r->slots - busy;
	if (spare > 0)
		waiting = MAX_OF(waiting - spare / service_s * r->start_s, 0);
	return busy + waiting * service_s / MAX_OF(r->promise_s, service_s);
}

struct policy_need policy_need_of(const struct policy_rule *r, const struct policy_view *v,
								  const struct policy_memory *m, double margin)
{
	struct policy_need need = {.nodes = 0, .reason = POLICY_WAIT};
	double load = v->arrival_per_s * v->service_s, later = v->forecast_per_s * v->service_s;

	need.unserved = v->waiting > 0 && v->ready > 0 && !policy_busy(r, v) && v->oldest_s > SEEN_S;
	if (!policy_idle(r, v))
		need.nodes = 1;
	need.busy = used_then(r, v, load);
	ask_load(&need, r, v, need.busy * margin, POLICY_WAIT, POLICY_FULL);
	if (later > load)
		ask_load(&need, r, v, used_then(r, v, later) * margin, POLICY_FORECAST, POLICY_FORECAST);
	/* While tasks wait to be worked off all slots are to be in use: the mean says something again afterwards. */
	if (v->waiting == 0)
		ask(&need, under_full(r, m->used_mean * margin), POLICY_FULL);
	if (v->waiting > 0 && !need.unserved)
		ask(&need, policy_ceil(backlog_slots(r, v, load) / r->slots), POLICY_BACKLOG);
	return need;
}
