/* Counters of nodes → handler time a task. It stands alone because counters begin anew with each instance of a node. */
#include "scaler/service_time.h"

#include <math.h>
#include <stdio.h>

#include "common/clock.h"

#define HALF_LIFE_S 30.0
#define CROWDED 0.9        /* of its slots are in use */
#define HEARD_AFTER_S 2.0   /* a heartbeat: ends are heard of so late, and count as if all were */
#define CROWD_HALF_LIFE_S 10.0
#define REMEMBERED 5.0 /* tasks: less is not forgotten */
#define FIRST_MAX 100.0 /* tasks: what a node did before we heard of it weighs no more */

struct counted {
	char name[TOKEN_MAX + 1];
	char instance[TOKEN_MAX + 16];
	uint64_t ended, busy_ms;
	UT_hash_handle hh;
};

static struct counted *all;

static void drop(struct counted *c)
{
	HASH_DEL(all, c);
	free(c);
}

void service_time_hear(struct scaler *s, const struct node_entry *n, bool left)
{
	const Millrace__NodeStatus *st = n->status;
	struct pool *p = scaler_pool(s, st->pool);
	struct counted *c;

	HASH_FIND_STR(all, n->name, c);
	if (left) {
		if (c)
			drop(c);
		return;
	}
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		snprintf(c->name, sizeof(c->name), "%s", n->name);
		HASH_ADD_STR(all, name, c);
	}
	uint64_t ended = st->completed + st->failed;
	if (!str_eq(c->instance, st->instance)) {
		snprintf(c->instance, sizeof(c->instance), "%s", st->instance);
		c->ended = c->busy_ms = 0; /* it counts from its start */
	}
	if (p && ended >= c->ended && st->busy_ms >= c->busy_ms) {
		double done = (double)(ended - c->ended);
		double weight = c->ended == 0 && done > FIRST_MAX ? FIRST_MAX / done : 1;

		p->ended += done;
		p->done += done * weight;
		p->busy_s += (double)(st->busy_ms - c->busy_ms) / 1000 * weight;
	}
	c->ended = ended;
	c->busy_ms = st->busy_ms;
}

double service_time_of(struct pool *p)
{
	const struct policy_view *v = &p->view;
	struct crowd *c = &p->crowd;
	double mean = p->done > 0.5 ? p->busy_s / p->done : 0;

	if (!v->waiting || !p->slots || v->used < CROWDED * p->slots || v->stale) {
		*c = (struct crowd){0};
		return mean;
	}
	if (!(c->since_s > 0))
		*c = (struct crowd){.since_s = v->now_s, .seen_s = v->now_s, .ended = p->ended};
	double passed_s = v->now_s - c->seen_s, for_s = v->now_s - c->since_s;
	double keep = pow(0.5, passed_s / CROWD_HALF_LIFE_S);

	c->slot_s = c->slot_s * keep + v->used * passed_s;
	c->done = c->done * keep + (p->ended - c->ended);
	c->seen_s = v->now_s;
	c->ended = p->ended;
	double known_s = for_s - HEARD_AFTER_S, known_slot_s = c->slot_s - v->used * HEARD_AFTER_S;

	if (!(mean > 0) || known_s <= 0 || known_slot_s <= 0)
		return mean;
	return MAX_OF(mean, c->done > 0 ? MIN_OF(known_slot_s / c->done, known_s) : known_s);
}

void service_time_fade(struct scaler *s)
{
	double keep = pow(0.5, (double)s->config.tick_ns / NS_PER_S / HALF_LIFE_S);

	for (size_t i = 0; i < s->npools; i++) {
		struct pool *p = &s->pools[i];

		if (p->done <= REMEMBERED)
			continue;
		p->done *= keep;
		p->busy_s *= keep;
	}
}

void service_time_free(void)
{
	struct counted *c, *tmp;

	HASH_ITER (hh, all, c, tmp)
		drop(c);
}
