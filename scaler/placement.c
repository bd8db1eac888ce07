/*
 * Which node hosts an agent. Pools are filled like
 * drawers: the fullest that has room, so that the emptiest runs out and can be
 * closed. A machine at its load is given no more while another has room; where
 * all are at it, room counts more than load, and the least loaded is taken.
 */
#include "scaler/placement.h"

static bool has_room(const struct placement_node *n)
{
	return n->takes && n->agents < n->agents_max;
}

static bool loaded(const struct placement_node *n)
{
	return n->cpu_percent > PLACEMENT_LOAD_MAX || n->memory_percent > PLACEMENT_LOAD_MAX;
}

static double load_of(const struct placement_node *n)
{
	return MAX_OF(n->cpu_percent, n->memory_percent);
}

static double share_of(const struct placement_node *n)
{
	return n->agents_max ? (double)n->agents / n->agents_max : 1;
}

/* Both have room. */
static bool better(const struct placement_node *a, const struct placement_node *b)
{
	if (loaded(a) != loaded(b))
		return loaded(b);
	if (loaded(a) && load_of(a) != load_of(b))
		return load_of(a) < load_of(b);
	if ((a->same_project > 0) != (b->same_project > 0))
		return a->same_project > 0;
	if (share_of(a) != share_of(b))
		return share_of(a) > share_of(b);
	return a->same_project > b->same_project;
}

int placement_choose(const struct placement_node *nodes, size_t n)
{
	int best = -1;

	for (size_t i = 0; i < n; i++) {
		if (has_room(&nodes[i]) && (best < 0 || better(&nodes[i], &nodes[best])))
			best = (int)i;
	}
	return best;
}
