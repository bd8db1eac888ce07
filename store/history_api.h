/* api.scaler.history, api.heal.history, api.node.performance; and api.store.ping: does the database answer? */
#pragma once

#include "common/pg.h"
#include "common/service.h"

struct history_api {
	struct bus *bus;
	struct pg *pg;      /* for questions */
	struct pg *pinging; /* for nothing but pings: nothing slow is ever before them */
	struct history_question *open;
};

#define HISTORY_ENDPOINTS 4
/* Into ret: for query_open. */
void history_api_endpoints(struct history_api *api, struct service_endpoint ret[HISTORY_ENDPOINTS]);
/* After both connections are closed and the service too, which answers what is open. */
void history_api_release(struct history_api *api);
