/* api.task.get: one task with everything. Questions that come while one is under way share the next statement. */
#pragma once

#include "common/pg.h"
#include "common/service.h"

struct get;

struct task_gets {
	struct bus *bus;
	struct pg *pg;
	struct get *waiting, *asked; /* those under way share a statement */
	size_t nwaiting;
};

/* Ends r with a Task; 404, 400, 503 as the other questions. */
void task_gets_ask(struct task_gets *g, struct service_request *r);
void task_gets_release(struct task_gets *g);
