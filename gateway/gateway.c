/*
 * The wiring. In order: the connection, the service that answers for our
 * metrics, the server with its tables of routes. HTTP is served from the
 * start, the broker there or not: /livez and /readyz tell.
 */
#include "gateway/gateway.h"

#include "common/clock.h"
#include "common/log.h"
#include "gateway/collect.h"
#include "gateway/cors.h"
#include "gateway/feed.h"
#include "gateway/live.h"
#include "gateway/routes.h"
#include "gateway/shield.h"
#include "gateway/traffic.h"

#define STOP_LOOK_MS 50

/* ---- the server's questions to us ---- */

static bool on_admit(void *data, struct http_request *r, const struct http_route *route)
{
	struct gateway *g = data;

	return access_admit(&g->access, g->http, r, route);
}

static void on_decorate(void *data, struct http_request *r)
{
	const struct gateway *g = data;

	shield_add(r, g->config.http.tls_cert);
	cors_decorate(g->config.access.cors, r);
}

static void on_done(void *data UNUSED, struct http_request *r, unsigned status, int64_t took_ms)
{
	traffic_done(r, status, took_ms);
}

/* ---- the broker ---- */

static void on_up(void *data)
{
	struct gateway *g = data;

	live_broker(g->live, NULL);
	log_info("connected", LOG_S("url", bus_url(g->bus)));
}

static void on_down(void *data, const struct err *why)
{
	struct gateway *g = data;

	live_broker(g->live, why->text);
	log_warn("broker away; requests are answered 503 until it is back", LOG_S("why", why->text));
}

static void on_async_error(void *data UNUSED, const struct err *e)
{
	log_warn("the broker refused something", LOG_S("why", e->text));
}

/* ---- start and end ---- */

static int open_service(struct gateway *g, struct err *e)
{
	const char *const metadata[] = {"url", http_url(g->http), NULL};

	return service_open(g->bus, "millrace-gateway", "REST, dashboard and metrics over HTTP",
						metadata, NULL, 0, g, &g->service, e);
}

int gateway_start(struct gateway *g, struct err *e)
{
	const struct bus_events bus_events = {on_up, on_down, on_async_error, g};
	const struct http_events http_events = {on_admit, on_decorate, on_done};

	g->started_mono_ms = clock_mono_ms();
	if (docs_init(&g->docs, e) || access_open(&g->access, &g->config.access, &g->config.http, e) ||
		bus_open(&g->daemon.loop, &g->config.nats, "millrace-gateway", &bus_events, &g->bus, e))
		return e->code;
	g->live = live_new(g);
	g->feeds = feeds_new(g);
	if (http_open(&g->daemon.loop, &g->config.http, all_routes, &http_events, g, &g->http, e) ||
		open_service(g, e) || waits_open(&g->waits, g->bus, e))
		return e->code;
	g->collector = collector_new(g);
	traffic_open();
	timeout_init(&g->stop_look, bus_timeouts(g->bus));
	log_info("listening", LOG_S("url", http_url(g->http)));
	daemon_ready(&g->daemon);
	return 0;
}

static void on_stop_look(struct timeout *t)
{
	struct gateway *g = container_of(t, struct gateway, stop_look);

	if (http_open_requests(g->http) > 0)
		timeout_start(t, STOP_LOOK_MS, on_stop_look);
	else
		daemon_stopped(&g->daemon);
}

void gateway_stop(struct gateway *g)
{
	if (g->stopping)
		return;
	g->stopping = true;
	http_quiesce(g->http);
	waits_end_all(&g->waits); /* their tasks go on */
	live_end(g->live);
	feeds_end(g->feeds);
	timeout_start(&g->stop_look, STOP_LOOK_MS, on_stop_look);
}

void gateway_release(struct gateway *g)
{
	if (g->bus)
		timeout_stop(&g->stop_look);
	/* An end that was cut short: whoever still has an exchange answers it, and lets go of what is its own. */
	waits_end_all(&g->waits);
	submit_release(g);
	ask_release(g);
	collector_free(&g->collector); /* some of the questions were its */
	waits_release(&g->waits);
	recent_release(&g->recent);
	service_close(&g->service);
	http_close(&g->http); /* closes streams: those out of objects let go of theirs */
	live_stop(g->live);
	feeds_free(&g->feeds);
	result_release(g);
	access_release(&g->access);
	bus_close(&g->bus);
	live_free(&g->live);
	docs_release(&g->docs);
}
