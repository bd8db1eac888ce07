/*
 * /events and /api/v1/overview: who may listen, with what, and from where on.
 * What they hear is live.c's and feed.c's.
 */
#include "gateway/feed.h"
#include "gateway/gateway.h"
#include "gateway/live.h"
#include "gateway/routes.h"

static bool room(struct gateway *g, struct http_request *r)
{
	size_t open = live_listeners(g->live) + feeds_listeners(g->feeds);

	if ((int64_t)open < g->config.streams_max)
		return true;
	http_answer_header(r, "Retry-After", "10");
	http_problem(r, 429, NULL, "%zu streams are open, which is the most (http.streams)", open);
	return false;
}

static const struct ask_param events_params[] = {{"feed", NULL, ASK_TEXT},
												 {"type", NULL, ASK_TEXT},
												 {"state", NULL, ASK_LIST},
												 {"last_event_id", NULL, ASK_TEXT},
												 {0}};

static void on_events(void *data, struct http_request *r)
{
	struct gateway *g = data;
	const char *feed = http_query(r, "feed"), *last_id = http_header(r, "Last-Event-ID");

	if (!last_id)
		last_id = http_query(r, "last_event_id");
	if (!ask_query_ok(r, events_params))
		return;
	if (feed && *feed && !str_eq(feed, "tasks")) {
		http_problem(r, 400, "feed", "feed: must be tasks, or be left out, not \"%.64s\"", feed);
		return;
	}
	if (!room(g, r))
		return;
	if (feed && *feed) {
		CLEANUP(free_ptr) char *states = http_query_all(r, "state");

		feeds_listen(g->feeds, r, http_query(r, "type"), states, last_id);
	} else {
		live_listen(g->live, r, last_id);
	}
}

struct looking {
	struct gateway *gateway;
	struct http_request *request;
};

static void on_known(void *data)
{
	struct looking *x = data;

	http_answer_header(x->request, "Cache-Control", "no-store");
	http_reply_json(x->request, 200, live_snapshot(x->gateway->live));
	free(x);
}

static void on_overview(void *data, struct http_request *r)
{
	struct gateway *g = data;
	struct looking *x;

	if (!ask_no_query(r))
		return;
	x = xmalloc(sizeof(*x));
	*x = (struct looking){g, r};
	live_when_known(g->live, on_known, x);
}

const struct http_route events_routes[] = {
	{"GET", "/events", SCOPE_READ, on_events, 0, NULL},
	{"GET", "/api/v1/overview", SCOPE_READ, on_overview, 0, NULL},
	{0},
};
