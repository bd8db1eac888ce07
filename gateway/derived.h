/*
 * Families that are made of the components': the names that others know them by (tasks_submitted_total, …). Pure.
 *
 * Counters stay apart by component and instance, as their sources do: each falls only where its
 * process began anew, which rate() and increase() take for what it is. A sum over instances is to
 * be taken of rates, never the other way round.
 */
#pragma once

#include <jansson.h>

#include "gateway/exposition.h"

/*
 * lanes, nodes: as api.lane.list and api.node.list tell them; NULL: not known, and then what
 * they are needed for is not told, instead of being told as 0.
 */
void derived_render(const struct exposition *x, const json_t *lanes, const json_t *nodes,
					struct buf *out);
