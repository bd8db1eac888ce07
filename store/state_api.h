/* api.state.get|set|delete|list: shared state, compare-and-set on a version. The bucket `state`
 * holds it. */
#pragma once

#include "common/pg.h"
#include "common/service.h"

struct state_api {
	struct bus *bus;
	struct pg *pg; /* for lists */
	struct state_question *open;
};

#define STATE_ENDPOINTS 4
void state_api_endpoints(struct state_api *api, struct service_endpoint ret[STATE_ENDPOINTS]);
/* After pg and the service are closed. */
void state_api_release(struct state_api *api);
