/* Which routes there are, by table. */
#include "gateway/routes.h"

#include <stddef.h>

const struct http_route *const all_routes[] = {
	ui_routes,
	health_routes,
	me_routes,
	task_routes,
	operate_routes,
	NULL,
};
