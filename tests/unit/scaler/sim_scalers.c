/*
 * Who decides in the simulator: the policy as it is, and what it is compared
 * with. All get the same rule: bounds, cooldowns, slots, and the same share
 * of slots that are to be in use at most. Lag is what waits and what runs
 * (num_pending + num_ack_pending), so that a busy pool without a queue is not
 * taken for an idle one.
 */
#include <math.h>

#include "scaler/policy_wait.h"
#include "tests/unit/scaler/pool_sim.h"

static unsigned decide_policy(const struct policy_rule *r, const struct policy_view *v,
							  void *memory, enum policy_reason *ret_reason)
{
	struct policy_decision d;

	policy_decide(r, v, memory, &d);
	*ret_reason = d.reason;
	return d.target;
}

const struct sim_scaler sim_policy = {"millrace", decide_policy, sizeof(struct policy_memory)};

struct threshold {
	double up_s, down_s;
};

static double lag(const struct policy_view *v)
{
	return (double)v->waiting + v->used;
}

static unsigned decide_threshold(const struct policy_rule *r, const struct policy_view *v,
								 void *memory, enum policy_reason *ret_reason UNUSED)
{
	struct threshold *m = memory;
	unsigned now = v->ready + v->starting;
	double most = r->full * r->slots;

	if (v->stale)
		return now;
	if (now < r->min)
		return r->min;
	if (lag(v) > most * now && now < r->max && v->now_s - m->up_s >= r->up_cooldown_s) {
		m->up_s = v->now_s;
		return now + 1;
	}
	if (now > r->min && lag(v) <= most * (now - 1) &&
		v->now_s - MAX_OF(m->up_s, m->down_s) >= r->down_cooldown_s) {
		m->down_s = v->now_s;
		return now - 1;
	}
	return now;
}

const struct sim_scaler sim_threshold = {"threshold", decide_threshold, sizeof(struct threshold)};

#define WINDOW_MAX 600

struct proportional {
	double up_s;
	unsigned wanted[WINDOW_MAX]; /* of the last looks, one a second */
	size_t at;
};

static unsigned decide_proportional(const struct policy_rule *r, const struct policy_view *v,
									void *memory, enum policy_reason *ret_reason UNUSED)
{
	struct proportional *m = memory;
	unsigned now = v->ready + v->starting, most = 0;
	size_t window = MIN_OF((size_t)r->down_cooldown_s, WINDOW_MAX);

	if (v->stale)
		return now;
	double exact = lag(v) / (r->full * r->slots);
	/* The HorizontalPodAutoscaler's tolerance. */
	unsigned wanted = now && fabs(exact / now - 1) <= 0.1 ? now : policy_ceil(exact);

	wanted = MIN_OF(MAX_OF(wanted, r->min), r->max);
	m->wanted[m->at++ % window] = wanted;
	for (size_t i = 0; i < window; i++)
		most = MAX_OF(most, m->wanted[i]);
	if (wanted > now) {
		if (now && v->now_s - m->up_s < r->up_cooldown_s)
			return now;
		m->up_s = v->now_s;
		return MIN_OF(wanted, now + r->step);
	}
	return most < now ? MAX_OF(most, now > r->step ? now - r->step : r->min) : now;
}

const struct sim_scaler sim_proportional = {"proportional", decide_proportional,
											sizeof(struct proportional)};
