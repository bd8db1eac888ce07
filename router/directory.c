/*
 * Which of the nodes that are there (common/roster.h) serve a lane. It stands
 * alone because routing, queries and doctoring must agree on it: a bridge
 * counts only where no node does the type by itself.
 */
#include "router/directory.h"

#include "common/clock.h"
#include "common/task.h"

static bool capable(const struct node_entry *n, const struct lane *lane)
{
	return lane_served_by(lane, (const char *const *)n->status->capabilities,
						  n->status->n_capabilities);
}

unsigned directory_each_serving(const struct router *r, const struct lane *lane,
								void (*each)(void *data, const struct node_entry *n), void *data)
{
	int64_t now_ms = clock_mono_ms();
	bool known = false; /* to a node by itself, as a bridge sees it: whatever its capabilities */
	unsigned many = 0;

	for (const struct node_entry *n = roster_first(r->roster); n && !known; n = n->hh.next)
		known = !n->status->bridge && node_has_type(n, lane->type) &&
				str_eq(node_state(n, now_ms), "ready");
	for (const struct node_entry *n = roster_first(r->roster); n; n = n->hh.next) {
		bool native = node_has_type(n, lane->type);
		if (!str_eq(node_state(n, now_ms), "ready") || !capable(n, lane) ||
			(!native && (known || !n->status->bridge)))
			continue;
		if (each)
			each(data, n);
		many++;
	}
	return many;
}

unsigned directory_serving(const struct router *r, const struct lane *lane)
{
	return directory_each_serving(r, lane, NULL, NULL);
}

struct beside {
	const char *list;
	unsigned many;
};

static void count_beside(void *data, const struct node_entry *n)
{
	struct beside *b = data;

	b->many += !names_have(b->list, n->name);
}

unsigned directory_serving_beside(const struct router *r, const struct lane *lane,
								  const char *list)
{
	struct beside b = {.list = list};

	directory_each_serving(r, lane, count_beside, &b);
	return b.many;
}
