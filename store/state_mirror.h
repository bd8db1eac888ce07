/* millrace.distributed_state: the table follows the bucket `state`. */
#pragma once

#include "common/bus.h"
#include "common/pg.h"

struct state_mirror;
/* pg is borrowed. All stores share the work: the consumer KV_state/store. */
MUST_CHECK int state_mirror_open(struct bus *bus, struct pg *pg, struct state_mirror **ret,
								 struct err *e);
void state_mirror_close(struct state_mirror **m); /* after its pg is closed. NULL is fine. */
