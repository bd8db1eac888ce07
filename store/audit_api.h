/* api.audit.get and api.audit.run: what the last pass found, and asking for one. */
#pragma once

#include "common/pg.h"
#include "common/service.h"

struct audit_api {
	struct pg *pg;
	struct audit_question *open;
};

#define AUDIT_ENDPOINTS 2
/* Into ret: for query_open. */
void audit_api_endpoints(struct audit_api *api, struct service_endpoint ret[AUDIT_ENDPOINTS]);
/* After pg is closed and the service too, which answers what is open. */
void audit_api_release(struct audit_api *api);
