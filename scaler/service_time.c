/* Counters of nodes → handler time a task. It stands alone because counters begin anew with each instance of a node. */
#include "scaler/service_time.h"

#include <math.h>
#include <stdio.h>

#include "common/clock.h"

#define HALF_LIFE_S 30.0
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

		p->done += done * weight;
		p->busy_s += (double)(st->busy_ms - c->busy_ms) / 1000 * weight;
	}
	c->ended = ended;
	c->busy_ms = st->busy_ms;
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
