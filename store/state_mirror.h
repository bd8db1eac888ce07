/* millrace.distributed_state: the table follows the bucket `state`. */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "store/ingest.h"

struct state_mirror;
/* pg is borrowed, and ingest, which knows whether the schema is there. All stores share the work:
 * the consumer KV_state/store. */
MUST_CHECK int state_mirror_open(struct bus *bus, struct pg *pg, const struct ingest *ingest,
								 struct state_mirror **ret, struct err *e);
void state_mirror_close(struct state_mirror **m); /* after its pg is closed. NULL is fine. */
