/* What the system knows about tasks, as the NATS service millrace-store: api.task.get,
 * api.task.list, api.task.stats. */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "common/service.h"

struct query;
struct control;

/*
 * more: endpoints of others, of the same service, with data of their own. pg and control (which does
 * the orders) are borrowed; while pg is down requests are answered 503.
 */
MUST_CHECK int query_open(struct bus *bus, struct pg *pg, struct control *control,
						  const struct service_endpoint *more, size_t nmore, struct query **ret,
						  struct err *e);
/* Stops serving; open requests are answered 503. After pg_close and before bus_close. NULL is fine. */
void query_close(struct query **q);
