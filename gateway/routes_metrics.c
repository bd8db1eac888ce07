/* /metrics: the whole system's, for Prometheus. 200 as long as there is anything to tell; the broker away, our own. */
#include "gateway/ask.h"
#include "gateway/collect.h"
#include "gateway/gateway.h"
#include "gateway/routes.h"

static void on_text(void *data, const struct buf *text)
{
	http_reply(data, 200, "text/plain; version=0.0.4; charset=utf-8", text->data, text->len);
}

static void on_metrics(void *data, struct http_request *r)
{
	const struct gateway *g = data;

	if (ask_no_query(r))
		collect(g->collector, on_text, r);
}

const struct http_route metrics_routes[] = {
	{"GET", "/metrics", SCOPE_READ, on_metrics, 0, NULL},
	{0},
};
