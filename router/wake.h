/* wake.<lane>: tells idle nodes that a lane has work, at most once in 50 ms each. */
#pragma once

#include "router/lanes.h"

struct wake *wake_new(struct router *r);
void wake_free(struct wake **w);
/* Something was published to the lane: at once, or at the end of the 50 ms under way. */
void wake_lane(struct wake *w, struct lane_entry *l);
