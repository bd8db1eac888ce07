/* Why tasks wait in a lane that no node serves, and what to do. Pure. */
#pragma once

#include <jansson.h>

#include "common/buf.h"

/* lane as api.lane.list tells it, nodes (a list) as api.node.list does. Appends to both. */
void lane_diagnose(const json_t *lane, const json_t *nodes, struct buf *ret_detail,
				   struct buf *ret_remedy);
