/*
 * Which node hosts an agent, and which node is to spare. Pools are filled like
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

/* Places on the others that an agent would really be given: machines at their load are none. */
static uint64_t room_elsewhere(const struct placement_node *nodes, size_t n, size_t but)
{
	uint64_t room = 0;

	for (size_t i = 0; i < n; i++) {
		if (i != but && has_room(&nodes[i]) && !loaded(&nodes[i]))
			room += nodes[i].agents_max - nodes[i].agents;
	}
	return room;
}

int placement_spare(const struct placement_node *nodes, size_t n, double share)
{
	int best = -1;

	for (size_t i = 0; i < n; i++) {
		const struct placement_node *node = &nodes[i];

		/* One that takes none is on its way out or sick: whoever drains or heals it moves its agents. */
		if (!node->takes || share_of(node) > share || room_elsewhere(nodes, n, i) < node->agents)
			continue;
		if (best < 0 || node->agents < nodes[best].agents)
			best = (int)i;
	}
	return best;
}
