/* api.lane.pause|resume|limit|purge: what operators ask of a lane. */
#pragma once

#include "common/service.h"
#include "router/router.h"

/* Endpoints of the service; data is the router. */
void lane_control_on_pause(void *data, struct service_request *req);
void lane_control_on_resume(void *data, struct service_request *req);
void lane_control_on_limit(void *data, struct service_request *req);
void lane_control_on_purge(void *data, struct service_request *req);
/* At the end, behind the bus. */
void lane_control_drop_all(struct router *r);
