/* The tables of routes, a file each; routes.c lists them. A route of an earlier table goes first. */
#pragma once

#include <stdio.h>

#include "gateway/http.h"

extern const struct http_route ui_routes[];     /* /, /cluster, /assets */
extern const struct http_route task_routes[];   /* /api/v1: tasks, submit, run */
extern const struct http_route metrics_routes[]; /* /metrics */
extern const struct http_route health_routes[]; /* /livez, /readyz, /health */
extern const struct http_route me_routes[];     /* /api/v1/me */
/* /api/v1: lanes, nodes, pools, agents, dead letters, schedules, … */
extern const struct http_route operate_routes[];

extern const struct http_route list_routes[];           /* /api/v1/lanes, /api/v1/nodes: in pages */
extern const struct http_route compat_tasks_routes[];   /* /tasks, /agents/nodes */
extern const struct http_route compat_agents_routes[];  /* /api/v1/agents */
extern const struct http_route compat_cluster_routes[]; /* /api/cluster */
extern const struct http_route docs_routes[];           /* /openapi.json, /docs */

extern const struct http_route events_routes[]; /* /events, /api/v1/overview */

extern const struct http_route *const all_routes[]; /* NULL-terminated */
/* A line for each: method, path, scope. */
void routes_print(FILE *out);
