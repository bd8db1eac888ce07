/*
 * The arithmetic of shared limits, apart from the bucket that holds it, as a
 * mistake here is a limit that does not hold or a lane that stands still.
 * Nothing fails: what a stranger wrote into the book that can't be understood
 * counts as nothing.
 */
#include "node/permit_book.h"

#include <math.h>

#define BURSTS_A_SECOND 10

static const json_t *holder_of(const json_t *book, const char *name)
{
	return json_object_get(json_object_get(book, "holders"), name);
}

static unsigned number(const json_t *j)
{
	json_int_t n = json_integer_value(j);

	return n < 0 ? 0 : n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (unsigned)n;
}

json_int_t permit_book_beat(const json_t *book, const char *holder)
{
	const json_t *h = holder_of(book, holder);

	return h ? json_integer_value(json_object_get(h, "beat")) : -1;
}

unsigned permit_book_held(const json_t *book, const char *holder)
{
	return number(json_object_get(holder_of(book, holder), "n"));
}

unsigned permit_book_others(const json_t *book, const char *me, const char *key)
{
	const char *name;
	json_t *h;
	unsigned sum = 0;

	json_object_foreach (json_object_get(book, "holders"), name, h) {
		if (!str_eq(name, me))
			sum += key ? number(json_object_get(json_object_get(h, "keys"), key))
					   : number(json_object_get(h, "n"));
	}
	return sum;
}

unsigned permit_burst(double rate_per_s)
{
	double n = floor(rate_per_s / BURSTS_A_SECOND);

	return n < 1 ? 1 : (unsigned)n;
}

/* What I may hold: never less than what is in use. */
static unsigned share(unsigned limit, unsigned others, unsigned busy, unsigned want)
{
	unsigned left = limit > others ? limit - others : 0;
	unsigned most = MIN_OF(want, left);

	return MAX_OF(most, busy);
}

static void strike_out_dead(json_t *holders, const struct permit_wish *w, struct permit_grant *g)
{
	const char *name;
	json_t *h;
	void *tmp;

	json_object_foreach_safe (holders, tmp, name, h) {
		if (str_eq(name, w->me) || !w->dead || !w->dead(w->data, name))
			continue;
		json_object_del(holders, name);
		g->changed = true;
	}
}

static void take_tokens(json_t *book, const struct permit_rules *rules, const struct permit_wish *w,
						struct permit_grant *g)
{
	double step_ns = 1e9 / rules->rate_per_s;
	double now = (double)rules->now_wall_ns, burst_ns = step_ns * permit_burst(rules->rate_per_s);
	double tat = (double)json_integer_value(json_object_get(book, "tat"));

	if (w->tokens_back) {
		tat -= step_ns * w->tokens_back;
		json_object_set_new(book, "tat", json_integer((json_int_t)tat));
		g->changed = true;
	}
	/* Nothing is saved up beyond a burst; and a clock that was far ahead is not waited for. */
	if (tat < now || tat > now + burst_ns + 60e9)
		tat = now;
	double room = floor((now + burst_ns - tat) / step_ns + 1e-6);
	g->tokens = room <= 0 ? 0 : room < w->tokens ? (unsigned)room : w->tokens;
	if (g->tokens) {
		tat += step_ns * g->tokens;
		json_object_set_new(book, "tat", json_integer((json_int_t)tat));
		g->changed = true;
	}
	if (g->tokens < w->tokens)
		g->tokens_wall_ns = (int64_t)(tat + step_ns - burst_ns) + 1;
}

static json_t *entry_of(const json_t *book, const struct permit_rules *rules,
						const struct permit_wish *w, const struct permit_grant *g)
{
	json_t *keys = json_object();

	for (size_t i = 0; i < w->nkeys; i++) {
		struct permit_key_wish *k = &w->keys[i];
		unsigned others = permit_book_others(book, w->me, k->key);
		k->granted = rules->key_concurrency
						 ? share(rules->key_concurrency, others, k->busy, k->want)
						 : k->want;
		if (k->granted && rules->key_concurrency)
			json_object_set_new(keys, k->key, json_integer(k->granted));
	}
	if ((!g->n || !rules->concurrency) && json_object_size(keys) == 0) {
		json_decref(keys);
		return NULL;
	}
	json_int_t beat = permit_book_beat(book, w->me);
	return json_pack("{s:I, s:I, s:o}", "beat", beat < 0 ? 1 : beat + w->beat, "n",
					 (json_int_t)(rules->concurrency ? g->n : 0), "keys", keys);
}

void permit_book_settle(json_t *book, const struct permit_rules *rules, struct permit_wish *w,
						struct permit_grant *ret)
{
	struct permit_grant g = {0};
	json_t *holders = json_object_get(book, "holders");

	if (!json_is_object(holders)) {
		holders = json_object();
		json_object_set_new(book, "holders", holders);
	}
	strike_out_dead(holders, w, &g);
	g.n = w->want;
	if (rules->concurrency)
		g.n = share(rules->concurrency, permit_book_others(book, w->me, NULL), w->busy, w->want);
	if (rules->rate_per_s > 0)
		take_tokens(book, rules, w, &g);
	else
		g.tokens = w->tokens;

	json_t *mine = entry_of(book, rules, w, &g);
	const json_t *was = json_object_get(holders, w->me);
	if (mine && !json_equal(mine, was)) {
		json_object_set(holders, w->me, mine);
		g.changed = true;
	} else if (!mine && was) {
		json_object_del(holders, w->me);
		g.changed = true;
	}
	json_decref(mine);
	*ret = g;
}
