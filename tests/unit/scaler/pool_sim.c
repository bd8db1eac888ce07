/*
 * The made-up world: events in their order (arrivals drawn from a Poisson
 * process whose rate is held for a tenth of a second, ends of tasks from a
 * heap, looks once a second). What the scaler sees is as late as in a real
 * system: nodes tell their slots in use every two seconds, the rate is that of
 * the last second, the handler time a mean of what ended lately.
 */
#include "tests/unit/scaler/pool_sim.h"

#include <assert.h>
#include <math.h>

#include "scaler/forecast.h"
#include "scaler/policy_wait.h"
#include "tests/unit/scaler/sim_queue.h"

#define NODES_MAX 128
#define HOLD_S 0.1       /* rates are constant for so long */
#define LOOKS_PER_BEAT 2 /* nodes tell their state at every second look */
#define START_S 1000.0   /* the clock of the view does not begin at zero */
#define SERVICE_TAU_S 10.0
#define WAIT_STEPS 1000000u /* of a millisecond */

enum node_state { NODE_NONE, NODE_STARTING, NODE_READY, NODE_DRAINING };

struct node {
	enum node_state state;
	double ready_s, born_s;
	unsigned used, told;
};

struct world {
	const struct sim_load *load;
	const struct policy_rule *rule;
	struct sim_result *result;
	struct node nodes[NODES_MAX];
	size_t top;              /* nodes beyond it were never there */
	struct sim_queue queue;  /* of arrival times */
	struct sim_heap running; /* ends, and whose they are */
	struct forecast forecast;
	uint32_t *waits;
	uint64_t rng, arrived;
	double done, done_s; /* tasks that ended lately and what they took: both fade */
	double now_s;
};

static double uniform(struct world *w)
{
	/* splitmix64 */
	uint64_t z = (w->rng += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return ((double)(z >> 11) + 0.5) / 9007199254740992.0;
}

static double service_of(struct world *w)
{
	double mean = w->load->service(w->now_s);

	switch (w->load->kind) {
	case SIM_EXPONENTIAL:
		return -log(uniform(w)) * mean;
	case SIM_CONSTANT:
		return mean;
	case SIM_MIXED:
		return mean * (uniform(w) < 0.9 ? 0.1 : 9.1);
	}
	return mean;
}

static void note_wait(struct world *w, double came_s, double wait_s)
{
	double step = wait_s * 1000;

	w->waits[step < WAIT_STEPS - 1 ? (unsigned)step : WAIT_STEPS - 1]++;
	w->result->tasks++;
	w->result->max_s = MAX_OF(w->result->max_s, wait_s);
	struct sim_tick *tick = &w->result->ticks[MIN_OF((size_t)came_s, w->result->nticks - 1)];

	tick->arrived++;
	if (wait_s > w->rule->promise_s) {
		tick->late++;
		w->result->late++;
	}
}

/* Tasks go where most is free, as pulling does it. */
static void dispatch(struct world *w)
{
	if (w->load->ignored_from_s > 0 && w->now_s >= w->load->ignored_from_s)
		return;
	while (sim_queue_len(&w->queue)) {
		struct node *best = NULL;

		for (size_t i = 0; i < w->top; i++) {
			struct node *n = &w->nodes[i];

			if (n->state == NODE_READY && n->used < w->rule->slots &&
				(!best || n->used < best->used))
				best = n;
		}
		if (!best)
			return;
		double came_s = sim_queue_pop(&w->queue), service_s = service_of(w);

		best->used++;
		note_wait(w, came_s, w->now_s - came_s);
		if (isfinite(service_s))
			sim_heap_push(&w->running, (struct sim_end){w->now_s + service_s, service_s,
														(unsigned)(best - w->nodes)});
	}
}

static void end_task(struct world *w)
{
	struct sim_end end = sim_heap_pop(&w->running);
	struct node *n = &w->nodes[end.node];

	w->now_s = end.at_s;
	w->done++;
	w->done_s += end.service_s;
	n->used--;
	if (n->state == NODE_DRAINING && n->used == 0)
		n->state = NODE_NONE;
	dispatch(w);
}

static unsigned count(const struct world *w, enum node_state state)
{
	unsigned n = 0;

	for (size_t i = 0; i < NODES_MAX; i++)
		n += w->nodes[i].state == state;
	return n;
}

static struct policy_view look(struct world *w, size_t tick)
{
	struct policy_view v = {
		.now_s = START_S + w->now_s,
		.ready = count(w, NODE_READY),
		.starting = count(w, NODE_STARTING),
		.draining = count(w, NODE_DRAINING),
		.waiting = sim_queue_len(&w->queue),
		.stale = w->now_s >= w->load->blind_from_s && w->now_s < w->load->blind_to_s,
	};

	for (size_t i = 0; i < NODES_MAX; i++) {
		struct node *n = &w->nodes[i];

		if ((tick + i) % LOOKS_PER_BEAT == 0)
			n->told = n->used;
		if (n->state == NODE_READY)
			v.used += n->told;
	}
	if (v.waiting)
		v.oldest_s = w->now_s - sim_queue_first(&w->queue);
	forecast_add(&w->forecast, v.now_s, (double)w->arrived);
	/* Each task counts the same: a look at which a single long one ended says little. */
	v.service_s = w->done > 0 ? w->done_s / w->done : 0;
	w->done *= exp(-1 / SERVICE_TAU_S);
	w->done_s *= exp(-1 / SERVICE_TAU_S);
	v.arrival_per_s = forecast_at(&w->forecast, 0);
	v.forecast_per_s = forecast_at(&w->forecast, w->rule->start_s + 1);
	w->arrived = 0;
	return v;
}

static void start_node(struct world *w)
{
	for (size_t i = 0; i < NODES_MAX; i++) {
		if (w->nodes[i].state != NODE_NONE)
			continue;
		double start_s = w->rule->start_s * (0.8 + 0.4 * uniform(w));

		w->top = MAX_OF(w->top, i + 1);
		w->nodes[i] = (struct node){NODE_STARTING, w->now_s + start_s, w->now_s, 0, 0};
		return;
	}
	assert(!"no room for another node");
}

static void drain_node(struct world *w)
{
	struct policy_node nodes[NODES_MAX] = {0};

	for (size_t i = 0; i < NODES_MAX; i++) {
		const struct node *n = &w->nodes[i];

		nodes[i] = (struct policy_node){
			.used = n->used,
			.slots = w->rule->slots,
			.age_s = w->now_s - n->born_s,
			.ours = n->state == NODE_STARTING || n->state == NODE_READY,
		};
	}
	int victim = policy_victim(nodes, NODES_MAX);

	assert(victim >= 0);
	w->nodes[victim].state = w->nodes[victim].used ? NODE_DRAINING : NODE_NONE;
}

static unsigned ideal(const struct policy_rule *r, double rate, double service_s)
{
	double load = rate * service_s;

	if (!(rate > 0))
		return r->min;
	if (!isfinite(load))
		return r->max;
	unsigned nodes = MAX_OF(policy_wait_nodes(rate, service_s, r->promise_s, r->slots),
							policy_ceil(load / r->full / r->slots));

	return MIN_OF(MAX_OF(nodes, r->min), r->max);
}

static void ask(struct world *w, size_t tick, const struct sim_scaler *scaler, void *memory)
{
	struct policy_view v = look(w, tick);
	struct sim_result *res = w->result;
	enum policy_reason reason = POLICY_STEADY;
	unsigned target = scaler->decide(w->rule, &v, memory, &reason);
	struct sim_tick *t = &res->ticks[tick];

	for (unsigned have = v.ready + v.starting; have < target; have++)
		start_node(w);
	for (unsigned have = v.ready + v.starting; have > target; have--)
		drain_node(w);

	t->rate = w->load->rate(w->now_s);
	t->waiting = v.waiting;
	t->oldest_s = v.oldest_s;
	t->target = target;
	t->ready = v.ready;
	t->nodes = NODES_MAX - count(w, NODE_NONE);
	t->ideal = ideal(w->rule, t->rate, w->load->service(w->now_s));
	t->reason = (unsigned)reason;
	res->node_minutes += t->nodes / 60.0;
	res->ideal_minutes += t->ideal / 60.0;
	res->target_min = tick ? MIN_OF(res->target_min, target) : target;
	res->target_max = MAX_OF(res->target_max, target);
	if (tick && target != res->ticks[tick - 1].target)
		res->changes++;
}

/* To the moment until_s: whatever comes first. */
static void run_to(struct world *w, double until_s)
{
	double rate = w->load->rate(w->now_s);

	for (;;) {
		double next = rate > 0 ? w->now_s - log(uniform(w)) / rate : INFINITY;
		struct node *awake = NULL;
		double ready_s = INFINITY;

		for (size_t i = 0; i < w->top; i++) {
			if (w->nodes[i].state == NODE_STARTING && w->nodes[i].ready_s < ready_s) {
				awake = &w->nodes[i];
				ready_s = awake->ready_s;
			}
		}
		double first = MIN_OF(next, ready_s);

		/* Drawing the next arrival again after any event is right: the exponential has no memory. */
		if (sim_heap_len(&w->running) &&
			sim_heap_first(&w->running).at_s <= MIN_OF(first, until_s)) {
			end_task(w);
			continue;
		}
		if (first > until_s)
			break;
		w->now_s = first;
		if (awake && ready_s <= next) {
			awake->state = NODE_READY;
		} else {
			w->arrived++;
			sim_queue_push(&w->queue, w->now_s);
		}
		dispatch(w);
	}
	w->now_s = until_s;
}

static double percentile(const struct world *w, double share)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < WAIT_STEPS; i++) {
		sum += w->waits[i];
		if ((double)sum >= share * (double)w->result->tasks)
			return i / 1000.0;
	}
	return WAIT_STEPS / 1000.0;
}

struct sim_result sim_run(const struct sim_load *load, const struct policy_rule *rule,
						  const struct sim_scaler *scaler)
{
	struct sim_result res = {.nticks = (size_t)load->duration_s};
	struct world *w = xcalloc(1, sizeof(*w));
	void *memory = xcalloc(1, scaler->memory_size);

	res.ticks = xcalloc(res.nticks, sizeof(*res.ticks));
	*w = (struct world){.load = load, .rule = rule, .result = &res, .rng = load->seed};
	w->waits = xcalloc(WAIT_STEPS, sizeof(*w->waits));
	w->top = rule->min;
	for (unsigned i = 0; i < rule->min; i++)
		w->nodes[i].state = NODE_READY;

	for (size_t tick = 0; tick < res.nticks; tick++) {
		ask(w, tick, scaler, memory);
		dispatch(w);
		for (unsigned part = 1; part <= (unsigned)(1 / HOLD_S); part++)
			run_to(w, (double)tick + part * HOLD_S);
	}
	while (sim_queue_len(&w->queue)) {
		double came_s = sim_queue_pop(&w->queue);

		note_wait(w, came_s, load->duration_s - came_s);
	}
	res.p50_s = percentile(w, 0.5);
	res.p95_s = percentile(w, 0.95);
	res.late /= MAX_OF((double)res.tasks, 1);

	sim_queue_release(&w->queue);
	sim_heap_release(&w->running);
	free(w->waits);
	free(w);
	free(memory);
	return res;
}

void sim_release(struct sim_result *r)
{
	free(r->ticks);
	r->ticks = NULL;
}

double sim_late(const struct sim_result *r, double from_s, double to_s)
{
	double arrived = 0, late = 0;

	for (size_t i = (size_t)from_s; i < (size_t)to_s && i < r->nticks; i++) {
		arrived += r->ticks[i].arrived;
		late += r->ticks[i].late;
	}
	return arrived > 0 ? late / arrived : 0;
}
