/* The rows of a group of tasks that is cancelled, and when its marker may go. */
#pragma once

#include "store/control_internal.h"

struct group_walk;

struct group_walk *group_walk_new(struct control *c);
void group_walk_free(struct group_walk **g);
/* Goes on with the group that is being seen to, or begins with the next one. */
void group_walk_on(struct group_walk *g);
