/* api.lock.acquire|renew|release|list: locks with a time to live and a fencing token. The bucket
 * `leases` holds them. */
#pragma once

#include "common/service.h"

struct lock_api;
/* Watches the bucket from now on: how long ago a lock was heard of is what its ttl is measured by. */
MUST_CHECK int lock_api_open(struct bus *bus, struct lock_api **ret, struct err *e);
#define LOCK_ENDPOINTS 4
void lock_api_endpoints(struct lock_api *api, struct service_endpoint ret[LOCK_ENDPOINTS]);
/* After the service is closed. NULL is fine. */
void lock_api_close(struct lock_api **api);
