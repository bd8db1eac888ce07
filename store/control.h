/*
 * Orders about tasks: cancel, reassign, retry, and the router's question about unique keys. Each
 * order is a request on api.task.*; what it needs to outlive this process lies in the bucket
 * `cancels`, in EVENTS or in the database.
 */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "common/service.h"

struct control;

/* pg is borrowed. keep_ns: see the key keep.cancels. */
MUST_CHECK int control_open(struct bus *bus, struct pg *pg, int64_t keep_ns, struct control **ret,
							struct err *e);
/* After pg_close and query_close, before bus_close. NULL is fine. */
void control_close(struct control **c);

/* Each ends r, now or later. */
void control_cancel(struct control *c, struct service_request *r);
void control_reassign(struct control *c, struct service_request *r);
void control_retry(struct control *c, struct service_request *r);
void control_claim(struct control *c, struct service_request *r);
