/* Which of several agents a task is given to. Pure. */
#pragma once

#include "common/base.h"

/* An agent that has room. */
struct agent_offer {
	const char *project; /* that it was spawned for; NULL: any */
	unsigned count;      /* tasks that it has */
	int64_t
		active_wall_ns; /* when a task of its last began or ended; 0 where that does not count */
};

/* Whether a is to have a task of that project (NULL or "": of none) rather than b. False of equals. */
bool agent_choice_better(const struct agent_offer *a, const struct agent_offer *b,
						 const char *project);
