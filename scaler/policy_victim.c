/*
 * Which node is to be drained. It loses least that has least to do, but a
 * sick one goes before any healthy one, and nodes that somebody else started
 * are not ours to end.
 */
#include "scaler/policy.h"

static double share_used(const struct policy_node *n)
{
	return n->slots ? (double)n->used / n->slots : (double)n->used;
}

/* Both are ours. The order of what is lost: tasks to wait for, agents to move; then what the machine does. */
static bool rather(const struct policy_node *a, const struct policy_node *b)
{
	if (a->unhealthy != b->unhealthy)
		return a->unhealthy;
	if (share_used(a) != share_used(b))
		return share_used(a) < share_used(b);
	if (a->agents != b->agents)
		return a->agents < b->agents;
	return a->age_s < b->age_s;
}

int policy_victim(const struct policy_node *nodes, size_t n)
{
	int best = -1;

	for (size_t i = 0; i < n; i++) {
		if (nodes[i].ours && (best < 0 || rather(&nodes[i], &nodes[best])))
			best = (int)i;
	}
	return best;
}
