/*
 * The strategies. They stand alone as functions of values, so that each one's
 * distribution can be held to a bound by a test. There is no state: turn and
 * seed come from the caller, which keeps them a router, and several routers
 * need to know nothing of each other. Nothing here fails; nobody is an answer.
 *
 * Load is two numbers. What a node reports decides whether it may get more:
 * the largest of slots, processors and memory, as each of them alone makes it
 * slow. Which of those that may is the least loaded is decided by their
 * weighted sum with what was sent since, as reports are seconds old.
 */
#include "router/balance.h"

#define SHARE_SLOTS 0.7
#define SHARE_CPU 0.2
#define SHARE_MEMORY 0.1
/* The golden ratio's fraction: its multiples fill an interval evenly at every length. */
#define EVENLY 0.6180339887498949

static unsigned at_least_one(unsigned v)
{
	return v ? v : 1;
}

void balance_level(struct balance_node *nodes, size_t n, double max_load)
{
	for (size_t i = 0; i < n; i++) {
		if (!nodes[i].shut && MAX_OF(nodes[i].cpu, nodes[i].memory) <= max_load)
			return;
	}
	for (size_t i = 0; i < n; i++) {
		nodes[i].cpu = MIN_OF(nodes[i].cpu, max_load);
		nodes[i].memory = MIN_OF(nodes[i].memory, max_load);
	}
}

double balance_load(const struct balance_node *n)
{
	double slots = (double)n->used / at_least_one(n->slots);

	return MAX_OF(slots, MAX_OF(n->cpu, n->memory));
}

bool balance_takes(const struct balance_node *n, double max_load)
{
	return !n->excluded && balance_load(n) <= max_load && n->ahead < BALANCE_AHEAD_MAX;
}

bool balance_idle(const struct balance_node *n, double max_load)
{
	return balance_takes(n, max_load) && n->used + n->ahead < at_least_one(n->slots);
}

static double rank(const struct balance_node *n)
{
	double busy = (double)(n->used + n->ahead) / at_least_one(n->slots);

	return SHARE_SLOTS * busy + SHARE_CPU * n->cpu + SHARE_MEMORY * n->memory;
}

/* FNV-1a with a stir; also the weight of a rendezvous. */
static uint32_t mix(uint32_t h, const char *text)
{
	for (const char *p = text; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	h ^= h >> 16;
	h *= 0x85ebca6bu;
	h ^= h >> 13;
	h *= 0xc2b2ae35u;
	return h ^ h >> 16;
}

/* Who may be chosen at all: two passes over the same test, first without those to be avoided. */
struct choice {
	const struct balance_node *nodes;
	size_t n;
	double max_load; /* below 0: no matter */
	bool avoided;    /* those too */
	bool idle;       /* only those that can begin one more at once */
};

static bool among(const struct choice *c, size_t i)
{
	const struct balance_node *node = &c->nodes[i];

	if (node->excluded || (node->avoided && !c->avoided))
		return false;
	if (c->idle)
		return balance_idle(node, c->max_load);
	return c->max_load < 0 || balance_takes(node, c->max_load);
}

static size_t count(const struct choice *c)
{
	size_t many = 0;

	for (size_t i = 0; i < c->n; i++)
		many += among(c, i);
	return many;
}

static size_t nth(const struct choice *c, size_t k)
{
	for (size_t i = 0; i < c->n; i++) {
		if (among(c, i) && k-- == 0)
			return i;
	}
	return BALANCE_NOBODY;
}

static size_t weighted(const struct choice *c, uint64_t turn)
{
	uint64_t total = 0;
	double whole = (double)turn * EVENLY;
	double at = whole - (double)(uint64_t)whole;

	for (size_t i = 0; i < c->n; i++)
		total += among(c, i) ? at_least_one(c->nodes[i].weight) : 0;
	at *= (double)total;
	size_t last = BALANCE_NOBODY;
	for (size_t i = 0; i < c->n; i++) {
		if (!among(c, i))
			continue;
		last = i;
		at -= at_least_one(c->nodes[i].weight);
		if (at < 0)
			break;
	}
	return last;
}

/* match: first by the fewest capabilities, so that who can do much stays free for it. */
static size_t least(const struct choice *c, bool match, uint32_t seed)
{
	size_t best = BALANCE_NOBODY;

	for (size_t i = 0; i < c->n; i++) {
		if (!among(c, i))
			continue;
		const struct balance_node *a = &c->nodes[i],
								  *b = best == BALANCE_NOBODY ? NULL : &c->nodes[best];
		if (!b) {
			best = i;
		} else if (match && a->capabilities != b->capabilities) {
			best = a->capabilities < b->capabilities ? i : best;
		} else if (rank(a) != rank(b)) {
			best = rank(a) < rank(b) ? i : best;
		} else if (mix(seed ^ 2166136261u, a->name) > mix(seed ^ 2166136261u, b->name)) {
			best = i;
		}
	}
	return best;
}

size_t balance_pick(const struct balance_ask *ask, const struct balance_node *nodes, size_t n)
{
	struct choice c = {.nodes = nodes, .n = n, .max_load = ask->max_load};
	size_t many = count(&c);

	if (many == 0) {
		c.avoided = true;
		many = count(&c);
	}
	if (many == 0)
		return BALANCE_NOBODY;
	switch (ask->strategy) {
	case BALANCE_ROUND_ROBIN:
		return nth(&c, (size_t)(ask->turn % many));
	case BALANCE_WEIGHTED:
		return weighted(&c, ask->turn);
	case BALANCE_RANDOM:
		return nth(&c, mix(ask->seed, "") % many);
	case BALANCE_LEAST_LOADED:
		return least(&c, false, ask->seed);
	case BALANCE_CAPABILITY_MATCH:
		return least(&c, true, ask->seed);
	case BALANCE_UNSAID:
	case BALANCE_PULL:
		return BALANCE_NOBODY;
	}
	return BALANCE_NOBODY;
}

size_t balance_least(const struct balance_node *nodes, size_t n, uint32_t seed)
{
	struct choice c = {.nodes = nodes, .n = n, .max_load = -1};
	size_t found = least(&c, false, seed);

	c.avoided = true;
	return found == BALANCE_NOBODY ? least(&c, false, seed) : found;
}

size_t balance_other(const struct balance_node *nodes, size_t n, uint32_t seed)
{
	/* Loads end at 1: slots decide. Who pulls does not mind a busy machine either. */
	struct choice c = {.nodes = nodes, .n = n, .max_load = 1, .idle = true};

	return least(&c, false, seed);
}

size_t balance_project(const char *project, const struct balance_node *nodes, size_t n)
{
	uint32_t seed = mix(2166136261u, project), highest = 0;
	size_t best = BALANCE_NOBODY;

	for (size_t i = 0; i < n; i++) {
		uint32_t weight = mix(seed, nodes[i].name);
		if (!nodes[i].excluded && (best == BALANCE_NOBODY || weight > highest)) {
			best = i;
			highest = weight;
		}
	}
	return best;
}
