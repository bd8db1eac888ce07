/*
 * Which node hosts an agent. Pure. A pool of agents is filled like drawers:
 * the process that is fullest and has room, one with agents of the same
 * project first; where none has room, a new process is wanted.
 */
#pragma once

#include "common/base.h"

struct placement_node {
	const char *name;
	unsigned agents, agents_max;
	unsigned same_project;     /* of its agents */
	double cpu_percent, memory_percent;
	bool takes;                /* ready, not draining, has the role, healthy */
};
/* Above it a node's machine is given no further agent while another has room. */
#define PLACEMENT_LOAD_MAX 90.0

/* Index, or -1: none has room. */
int placement_choose(const struct placement_node *nodes, size_t n);
