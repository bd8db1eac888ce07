/* What the system knows about tasks, as the NATS service millrace-store: api.task.get,
 * api.task.list, api.task.stats. */
#pragma once

#include "common/bus.h"
#include "common/pg.h"

struct query;
struct control;

/* pg and control (which does the orders) are borrowed; while it is down requests are answered 503. */
MUST_CHECK int query_open(struct bus *bus, struct pg *pg, struct control *control,
						  struct query **ret, struct err *e);
/* Stops serving; open requests are answered 503. After pg_close and before bus_close. NULL is fine.
 */
void query_close(struct query **q);
