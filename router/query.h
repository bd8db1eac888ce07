/* api.lane.list|get and api.node.list|get: what the router knows, for gateway and CLI. */
#pragma once

#include "common/service.h"
#include "router/router.h"

struct query *query_new(struct router *r);
void query_free(struct query **q);

/* Endpoints of the service; data is the router. */
void query_on_lane_list(void *data, struct service_request *req);
void query_on_lane_get(void *data, struct service_request *req);
void query_on_node_list(void *data, struct service_request *req);
void query_on_node_get(void *data, struct service_request *req);
