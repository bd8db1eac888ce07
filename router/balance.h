/*
 * Which node gets a task that the router places. Pure: what is known of the
 * nodes in, one of them out.
 */
#pragma once

#include "common/base.h"
#include "common/placement.h"

#define BALANCE_NOBODY SIZE_MAX
/* More of ours that a node has not finished: it gets no more, whatever it reports. */
#define BALANCE_AHEAD_MAX 1000u

/* A live node that serves the lane. */
struct balance_node {
	const char *name;
	unsigned slots;        /* 0 counts as 1 */
	unsigned used;         /* of them, as it last reported */
	unsigned ahead;        /* tasks of ours that wait for it */
	unsigned weight;       /* 0 counts as 1 */
	unsigned capabilities; /* all that it has */
	double cpu, memory;    /* of its machine, 0 to 1 */
	bool shut;             /* nothing can be given to it: the caller excludes it */
	bool excluded;         /* never */
	bool avoided;          /* rather not */
};

struct balance_ask {
	enum balance strategy;
	double max_load; /* a node above it is left out */
	uint64_t turn;   /* counts a lane's tasks, for round-robin and weighted */
	uint32_t seed;   /* the task's, for random and for ties */
};

/*
 * Where processors or memory of all are above max_load (one busy machine, say), that tells none from
 * the other, and somebody will have to do it: they are taken down to max_load, and slots decide.
 */
void balance_level(struct balance_node *nodes, size_t n, double max_load);

/* As reported: the largest of slots used, processors and memory; 1 is full. */
double balance_load(const struct balance_node *n);
/* It may be given one more. */
bool balance_takes(const struct balance_node *n, double max_load);

/*
 * nodes are sorted by name, so that routers that know the same decide alike. BALANCE_NOBODY: all
 * are excluded or above max_load. Those that are avoided count only where no others are left.
 */
size_t balance_pick(const struct balance_ask *ask, const struct balance_node *nodes, size_t n);
/* The least loaded that is not excluded, max_load or not. */
size_t balance_least(const struct balance_node *nodes, size_t n, uint32_t seed);
/*
 * The least loaded with a free slot that is neither excluded nor avoided, however busy its machine is.
 * BALANCE_NOBODY: whoever pulls.
 */
size_t balance_other(const struct balance_node *nodes, size_t n, uint32_t seed);
/*
 * Project affinity: the same node for the same project as long as the same nodes are there, and
 * little moves when one comes or goes. Excluded ones don't count; whether it has room is the
 * caller's to ask.
 */
size_t balance_project(const char *project, const struct balance_node *nodes, size_t n);
/* Of those that it is given, it can begin one more at once. */
bool balance_idle(const struct balance_node *n, double max_load);
