/* How many messages a lane that exists may hold. */
#pragma once

#include "router/lanes.h"

/*
 * Makes the lane's stream hold at most l->set.limit messages, or by_default where that is 0.
 * Nothing that waits is dropped by it. A lane that does not exist is left: it is made with its
 * limit. A failure is logged; the next start or setting tries again.
 */
void lane_limit_apply(struct lane_entry *l, uint64_t by_default);
