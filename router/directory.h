/* Which of the nodes serve a lane. */
#pragma once

#include "common/roster.h"
#include "router/router.h"

/* How many live nodes serve the lane: bridges only where no node does by itself. */
unsigned directory_serving_beside(const struct router *r, const struct lane *lane,
								  const char *list); /* but those in a comma-separated list */
unsigned directory_serving(const struct router *r, const struct lane *lane);
/* Those nodes one after the other, in no order; returns how many. */
unsigned directory_each_serving(const struct router *r, const struct lane *lane,
								void (*each)(void *data, const struct node_entry *n), void *data);
