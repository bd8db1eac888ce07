/* What is stored as it was told, as notes of a merge: events.scale, events.heal, the agents that a node names. Pure. */
#pragma once

#include "common/err.h"
#include "scale.pb-c.h"
#include "store/merge.h"

/* stored_wall_ns: its moment where it tells none. ERR_INVALID: no id, or nothing that was done. */
MUST_CHECK int note_scale(struct merge *m, Millrace__ScaleEvent *x, int64_t stored_wall_ns,
						  struct err *e);
MUST_CHECK int note_heal(struct merge *m, Millrace__HealEvent *x, int64_t stored_wall_ns,
						 struct err *e);
/* Of nodes that host agents, or could: those that they do not name any more are gone. */
void note_agents(struct merge *m, const Millrace__NodeStatus *n);
