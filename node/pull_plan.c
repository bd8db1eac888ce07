/*
 * The distribution of credits over consumers, apart from everything that can
 * block or fail, as this is where a lane would starve or a slot would idle.
 * One pass counts, then classes are served in order, each pass ending as
 * soon as nothing is left to give.
 */
#include "node/pull_plan.h"

struct state {
	const struct pull_room *room;
	const struct pull_source *sources;
	struct pull_group *groups;
	size_t n;
	size_t start; /* where a pass begins, so that lanes take turns */
	unsigned free;
	size_t bytes_left;
	struct pull_ask *asks;
	size_t nasks;
};

static unsigned group_free(const struct pull_group *g)
{
	unsigned used = g->running + g->asked;

	if (g->shut)
		return 0;
	if (!g->limit && !g->metered)
		return UINT32_MAX;
	return g->limit > used ? g->limit - used : 0;
}

/* Of a limited type, too, at most half of what is not running is parked. */
static unsigned group_park_free(const struct pull_group *g)
{
	unsigned idle = g->limit > g->running ? g->limit - g->running : 0;
	unsigned most = idle / 2;

	if (g->shut)
		return 0;
	if (!g->limit)
		return UINT32_MAX;
	return MIN_OF(group_free(g), most > g->parked ? most - g->parked : 0);
}

static unsigned source_free(const struct state *st, const struct pull_source *s)
{
	unsigned by_type = group_free(&st->groups[s->group]);
	unsigned by_lane = group_free(&st->groups[s->lane_group]);

	return MIN_OF(by_type, by_lane);
}

static bool wants(const struct state *st, const struct pull_source *s)
{
	return s->hinted && !s->closed && !s->credits && source_free(st, s) > 0;
}

static bool parkable(const struct state *st, const struct pull_source *s)
{
	return !s->hinted && !s->closed && !s->credits && !st->groups[s->lane_group].metered &&
		   group_park_free(&st->groups[s->group]) > 0;
}

/* Bytes in proportion to the credits, but always enough for the largest message: less would never
 * be filled. */
static size_t bytes_for(const struct state *st, unsigned batch)
{
	size_t share = st->room->bytes_free / st->room->free * batch;
	size_t most = st->room->message_max * batch;

	return MAX_OF(MIN_OF(share, most), st->room->message_max);
}

static void grant(struct state *st, size_t i, unsigned batch, bool park)
{
	struct pull_group *g = &st->groups[st->sources[i].group];
	size_t bytes = bytes_for(st, batch);

	st->asks[st->nasks++] =
		(struct pull_ask){.source = i, .batch = batch, .park = park, .max_bytes = bytes};
	st->free -= batch;
	st->bytes_left -= MIN_OF(st->bytes_left, bytes);
	g->asked += batch;
	if (st->sources[i].lane_group)
		st->groups[st->sources[i].lane_group].asked += batch;
	if (park)
		g->parked += batch;
}

static bool exhausted(const struct state *st)
{
	return !st->free || st->bytes_left < st->room->message_max;
}

/* A little more than was last seen; where nothing is known, a quarter shows how much there is. */
static unsigned wanted(const struct state *st, const struct pull_source *s)
{
	if (!s->pending)
		return MAX_OF(st->room->free / 4, 1);
	return s->pending > UINT32_MAX / 2 ? UINT32_MAX : (unsigned)(s->pending + s->pending / 4 + 4);
}

static void serve_class(struct state *st, enum task_class class, unsigned waiting)
{
	for (size_t k = 0; k < st->n && waiting && !exhausted(st); k++) {
		size_t i = (st->start + k) % st->n;
		const struct pull_source *s = &st->sources[i];
		if (s->class != class || !wants(st, s))
			continue;
		unsigned share = MAX_OF(st->free / waiting, 1);
		unsigned batch = MIN_OF(share, wanted(st, s));
		grant(st, i, MIN_OF(batch, source_free(st, s)), false);
		waiting--;
	}
}

static bool recent(const struct state *st, const struct pull_source *s)
{
	return s->active_ms && st->room->now_ms - s->active_ms < PULL_RECENT_MS;
}

/* Long polls for the lately active, or for the others of one class. */
static void park_some(struct state *st, bool active, enum task_class class, unsigned share,
					  unsigned *budget)
{
	for (size_t k = 0; k < st->n && *budget && !exhausted(st); k++) {
		size_t i = (st->start + k) % st->n;
		const struct pull_source *s = &st->sources[i];
		if (!parkable(st, s) || recent(st, s) != active || (!active && s->class != class))
			continue;
		unsigned batch = MIN_OF(MIN_OF(share, *budget), st->free);
		batch = MIN_OF(batch, group_park_free(&st->groups[s->group]));
		grant(st, i, batch, true);
		*budget -= batch;
	}
}

/* What is known of all sources before anything is granted. */
struct tally {
	unsigned waiting[CLASS_COUNT]; /* hinted and askable */
	unsigned active, quiet;        /* open sources that delivered lately, and the others */
	unsigned active_parked, quiet_parked;
	unsigned candidates; /* for a long poll */
};

static void count(const struct state *st, struct tally *t)
{
	for (size_t i = 0; i < st->n; i++) {
		const struct pull_source *s = &st->sources[i];
		unsigned parked = s->parked ? s->credits : 0;
		bool active = recent(st, s);
		*(active ? &t->active_parked : &t->quiet_parked) += parked;
		if (s->closed)
			continue;
		*(active ? &t->active : &t->quiet) += 1;
		if (wants(st, s))
			t->waiting[s->class]++;
		else
			t->candidates += !s->credits && !s->hinted;
	}
}

static unsigned rest(unsigned most, unsigned used)
{
	return most > used ? most - used : 0;
}

/*
 * Half of what is idle: one half of that for the lately active, which keep it while they are asked
 * no_wait, one for the others. Where long polls of others still hold too much, the active ones may
 * go up to three quarters.
 */
static void park(struct state *st, const struct tally *t)
{
	static const enum task_class order[] = {CLASS_NORMAL, CLASS_HIGH,
											CLASS_LOW}; /* most tasks are normal ones */
	unsigned idle = st->room->idle, most = idle / 2;
	unsigned for_active = !t->active  ? 0
						  : !t->quiet ? most
									  : MAX_OF(most / 2, MIN_OF(t->active, most));
	unsigned for_quiet = most - for_active;
	unsigned parked = t->active_parked + t->quiet_parked;
	unsigned budget;

	if (t->active) {
		unsigned room = MIN_OF(rest(for_active, t->active_parked), rest(idle * 3 / 4, parked));
		budget = room;
		park_some(st, true, CLASS_COUNT, MAX_OF(for_active / t->active, 1), &budget);
		parked += room - budget;
	}
	if (!t->quiet)
		return;
	budget = MIN_OF(rest(for_quiet, t->quiet_parked), rest(most, parked));
	for (size_t k = 0; k < ARRAY_LEN(order); k++)
		park_some(st, false, order[k], MAX_OF(for_quiet / t->quiet, 1), &budget);
}

size_t pull_plan(const struct pull_room *room, const struct pull_source *sources, size_t n,
				 struct pull_group *groups, struct pull_ask *ret)
{
	struct state st = {.room = room,
					   .sources = sources,
					   .groups = groups,
					   .n = n,
					   .free = room->free,
					   .bytes_left = room->bytes_free,
					   .asks = ret};
	struct tally t = {0};

	if (!n || exhausted(&st))
		return 0;
	bool from_below = room->turn % PULL_FROM_BELOW == PULL_FROM_BELOW - 1;
	/* Counted apart: the refills from below are every eighth, and would begin at an eighth of the
	 * lanes for ever. */
	uint64_t turns_alike = room->turn / PULL_FROM_BELOW;
	st.start = (size_t)((from_below ? turns_alike : room->turn - turns_alike) % n);
	count(&st, &t);
	for (unsigned k = 0; k < CLASS_COUNT; k++) {
		enum task_class class = from_below ? CLASS_COUNT - 1 - k : k;
		serve_class(&st, class, t.waiting[class]);
	}
	if (t.candidates)
		park(&st, &t);
	return st.nasks;
}
