/* api.schedule.*: adding, looking at, pausing and removing schedules. Endpoints; data is the
 * router. */
#pragma once

#include "common/service.h"
#include "router/router.h"

void schedule_on_add(void *data, struct service_request *req);
void schedule_on_list(void *data, struct service_request *req);
void schedule_on_get(void *data, struct service_request *req);
void schedule_on_remove(void *data, struct service_request *req);
void schedule_on_pause(void *data, struct service_request *req);
void schedule_on_resume(void *data, struct service_request *req);
void schedule_on_run(void *data, struct service_request *req);
void schedule_on_next(void *data, struct service_request *req);

/* What is under way; after the bus was closed. */
void schedule_api_drop_all(struct router *r);
