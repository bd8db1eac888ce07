/*
 * Is it alive, can it serve: /livez is the process alone, /readyz needs the
 * broker and, through the store, the database. /health tells more, and is 200 as long
 * as anything can be said.
 */
#include "common/clock.h"
#include "gateway/gateway.h"
#include "gateway/routes.h"

static void on_livez(void *data UNUSED, struct http_request *r)
{
	http_reply_json(r, 200, json_pack("{s:b}", "ok", 1));
}

static void on_ping(void *data, const struct ask_answer *a)
{
	struct http_request *r = data;

	if (a->status == 200)
		http_reply_json(r, 200, json_pack("{s:b}", "ok", 1));
	else
		http_problem(r, 503, NULL, "%s", a->why);
}

static void on_readyz(void *data, struct http_request *r)
{
	ask(data, "api.store.ping", NULL, on_ping, r);
}

const struct http_route health_routes[] = {
	{"GET", "/livez", SCOPE_NONE, on_livez, 0, NULL},
	{"GET", "/readyz", SCOPE_NONE, on_readyz, 0, NULL},
	{0},
};
