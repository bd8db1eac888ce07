/*
 * What is made of a need over time. A target grows as soon as more is needed,
 * by at most a step within the up cooldown; it shrinks when
 * fewer, with a tenth to spare, would have done all through the last down
 * cooldown, and then by a third of what was too much at its busiest. So a lane
 * that flaps faster than the cooldown moves nothing. It stands alone as
 * the only file that changes a pool's memory.
 *
 * How it fails: on a stale view nothing changes, and what was learnt about
 * quiet times is forgotten. Where the model is wrong (handler times out of
 * date, or far from exponential) tasks wait longer than promised though the
 * model is content: then the pool grows in proportion to the oldest wait, each
 * time after the nodes that came last had time to help.
 */
#include "scaler/policy.h"

#include <math.h>

#include "scaler/policy_need.h"
#include "scaler/policy_say.h"
#include "scaler/policy_wait.h"

/* Fewer nodes must do with so much more load than there is, or the next chance fluctuation takes the decision back. */
#define DOWN_MARGIN 1.1
/* The smoothing of what is in use; longer than chance fluctuations, shorter than a down cooldown. */
#define USED_TAU_S 15.0

static bool since(double then_s, double now_s, double span_s)
{
	return then_s == 0 || now_s - then_s >= span_s;
}

static void forget_quiet(struct policy_memory *m)
{
	m->idle_since_s = 0;
	m->low_since_s = 0;
}

/* Notes what would do now. Returns the most that was needed at any time of the last down cooldown. */
static unsigned note_low(const struct policy_rule *r, struct policy_memory *m, double now_s,
						 unsigned low)
{
	double part_s = r->down_cooldown_s / (POLICY_LOW_PARTS - 1);
	uint64_t part = part_s > 0 ? (uint64_t)(now_s / part_s) : 0;
	unsigned most = 0;

	if (m->low_since_s == 0 || part_s <= 0 || part - m->low_part >= POLICY_LOW_PARTS) {
		memset(m->low, 0, sizeof(m->low));
		m->low_part = part;
	}
	if (m->low_since_s == 0)
		m->low_since_s = now_s;
	while (m->low_part < part)
		m->low[++m->low_part % POLICY_LOW_PARTS] = 0;
	m->low[part % POLICY_LOW_PARTS] = MAX_OF(m->low[part % POLICY_LOW_PARTS], low);
	for (size_t i = 0; i < POLICY_LOW_PARTS; i++)
		most = MAX_OF(most, m->low[i]);
	return most;
}

static void observe(const struct policy_rule *r, const struct policy_view *v,
					struct policy_memory *m)
{
	double weight = m->seen_s > 0 ? 1 - exp(-(v->now_s - m->seen_s) / USED_TAU_S) : 1;

	m->used_mean += weight * (v->used - m->used_mean);
	m->seen_s = v->now_s;
	m->worse = v->oldest_s > m->oldest_s;
	m->oldest_s = v->oldest_s;
	if (!policy_idle(r, v))
		m->idle_since_s = 0;
	else if (m->idle_since_s == 0)
		m->idle_since_s = v->now_s;
}

/* Waits are longer than promised, and get longer, though all the nodes that should do are there and busy. */
static bool model_is_wrong(const struct policy_rule *r, const struct policy_view *v,
						   const struct policy_memory *m, unsigned now)
{
	return v->oldest_s > r->promise_s && m->worse && v->waiting > 0 && v->ready >= now &&
		   policy_busy(r, v) && since(m->last_up_s, v->now_s, r->start_s + r->promise_s);
}

/* now: nodes of the target so far. */
static struct policy_need need_now(const struct policy_rule *r, const struct policy_view *v,
								   const struct policy_memory *m, unsigned now)
{
	struct policy_need need = policy_need_of(r, v, m, 1);

	/* Nothing waits and nobody runs: what is left of a smoothed rate is the past. */
	if (now == 0 && v->waiting == 0)
		need.nodes = 0;
	/* Handler times unknown and no node yet that could tell: a first step, then see. */
	if (!(v->service_s > 0) && v->ready == 0)
		need.nodes = MIN_OF(need.nodes, MAX_OF(now, r->step));
	if (need.nodes <= now && model_is_wrong(r, v, m, now)) {
		double factor = r->promise_s > 0 ? MIN_OF(v->oldest_s / r->promise_s, 2) : 2;

		need.nodes = MAX_OF(policy_ceil(now * factor), now + 1);
		need.reason = POLICY_WAIT;
	}
	return need;
}

/* The target and its reason; text and wait are the caller's. */
static unsigned grow(const struct policy_rule *r, const struct policy_view *v,
					 struct policy_memory *m, unsigned now, struct policy_need need,
					 enum policy_reason *ret_reason)
{
	m->idle_since_s = 0;
	note_low(r, m, v->now_s, need.nodes);
	if (now >= r->max) {
		*ret_reason = POLICY_MAX;
		return now;
	}
	if (now == 0 || since(m->window_s, v->now_s, r->up_cooldown_s)) {
		m->window_s = v->now_s;
		m->grown = 0;
	}
	unsigned more = MIN_OF(MIN_OF(need.nodes, r->max) - now, MAX_OF(r->step, 1u) - m->grown);

	if (more == 0) {
		*ret_reason = POLICY_COOLDOWN;
		return now;
	}
	*ret_reason = now + more == r->max && need.nodes > r->max ? POLICY_MAX : need.reason;
	m->grown += more;
	m->last_up_s = v->now_s;
	return now + more;
}

static unsigned fewer(const struct policy_rule *r, unsigned now, unsigned wanted)
{
	unsigned most = MAX_OF(r->step, 1u);

	return MAX_OF(MAX_OF(wanted, now > most ? now - most : 0), r->min);
}

/* low: fewest that do now. */
static unsigned shrink(const struct policy_rule *r, const struct policy_view *v,
					   struct policy_memory *m, unsigned now, struct policy_need *low,
					   enum policy_reason *ret_reason)
{
	bool late = v->oldest_s > r->promise_s && policy_busy(r, v);
	bool rested = since(m->last_up_s, v->now_s, r->down_cooldown_s);

	*low = policy_need_of(r, v, m, DOWN_MARGIN);
	low->nodes = late ? now : MAX_OF(MAX_OF(low->nodes, r->min), 1u);
	unsigned most = note_low(r, m, v->now_s, low->nodes);

	*ret_reason = POLICY_STEADY;
	if (now <= r->min)
		return now;
	if (m->idle_since_s > 0 && v->now_s - m->idle_since_s >= r->idle_s && rested) {
		*ret_reason = POLICY_IDLE;
		m->used_mean = 0; /* an idle_s shorter than the mean's memory must not bring them back */
		m->last_down_s = v->now_s;
		return fewer(r, now, r->min);
	}
	if (low->nodes >= now)
		return now;
	if (most >= now || v->now_s - m->low_since_s < r->down_cooldown_s || !rested ||
		!since(m->last_down_s, v->now_s, r->down_cooldown_s)) {
		*ret_reason = POLICY_COOLDOWN;
		return now;
	}
	*ret_reason = POLICY_FEWER;
	m->last_down_s = v->now_s;
	/* A third of what is too much: loads that fell often come back. */
	return fewer(r, now, most + (now - most) * 2 / 3);
}

/* Of a task that comes now: by the formula, and behind what waits already. */
static double predicted_wait_s(const struct policy_rule *r, const struct policy_view *v,
							   unsigned target)
{
	double slots = (double)target * r->slots;

	if (!(v->service_s > 0))
		return 0;
	if (target == 0)
		return v->waiting || v->arrival_per_s > 0 ? INFINITY : 0;
	return MAX_OF(policy_wait_s(target * r->slots, v->arrival_per_s, v->service_s, POLICY_SHARE),
				  (double)v->waiting * v->service_s / slots);
}

void policy_decide(const struct policy_rule *r, const struct policy_view *v,
				   struct policy_memory *m, struct policy_decision *ret)
{
	unsigned now = m->decided ? m->target : v->ready + v->starting;
	struct policy_need need = {.nodes = now};
	unsigned target = now;
	enum policy_reason reason;

	if (v->stale) {
		forget_quiet(m);
		reason = POLICY_STALE;
	} else {
		observe(r, v, m);
		need = need_now(r, v, m, now);
		if (now < r->min) {
			target = r->min;
			reason = POLICY_MIN;
		} else if (now > r->max) {
			target = r->max;
			reason = POLICY_MAX;
		} else if (need.nodes > now) {
			target = grow(r, v, m, now, need, &reason);
		} else {
			target = shrink(r, v, m, now, &need, &reason);
		}
		m->target = target;
		m->decided = true;
	}
	*ret = (struct policy_decision){
		.target = target,
		.reason = reason,
		.wait_s = predicted_wait_s(r, v, target),
	};
	policy_say(r, v, m, &need, now, ret);
}
