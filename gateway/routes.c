/* Which routes there are, by table. */
#include "gateway/routes.h"

#include "gateway/tokens.h"

const struct http_route *const all_routes[] = {
	ui_routes,
	health_routes,
	me_routes,
	metrics_routes,
	task_routes,
	docs_routes,
	list_routes,
	events_routes,
	operate_routes,
	compat_tasks_routes,
	compat_agents_routes,
	compat_cluster_routes,
	NULL,
};

void routes_print(FILE *out)
{
	for (const struct http_route *const *table = all_routes; *table; table++) {
		for (const struct http_route *r = *table; r->method; r++)
			fprintf(out, "%s %s %s\n", r->method, r->path,
					r->scope == SCOPE_NONE ? "-" : scope_name(r->scope));
	}
}
