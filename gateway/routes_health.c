/*
 * Is it alive, can it serve: /livez is the process alone, /readyz needs the
 * broker and, through the store, the database. /health tells more, and is 200 as long
 * as anything can be said: in the words that monitoring of the systems before this one
 * reads, and in ours.
 */
#include "common/clock.h"
#include "gateway/gateway.h"
#include "gateway/live.h"
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

/* ---- /health ---- */

struct looking {
	struct gateway *gateway;
	struct http_request *request;
};

static const json_t *list_of(const struct gateway *g, enum sample which, const char *key)
{
	return json_object_get(sampler_json(live_sampler(g->live), which), key);
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool is_in(const json_t *node, const char *state)
{
	const char *s = json_string_value(json_object_get(node, "state"));

	return s && str_eq(s, state);
}

static void count_workers(const struct gateway *g, json_t *stats)
{
	json_int_t idle = 0, busy = 0, running = 0, slots = 0, completed = 0, failed = 0;
	const json_t *node;
	size_t i;

	json_array_foreach (list_of(g, SAMPLE_NODES, "nodes"), i, node) {
		if (!is_in(node, "ready") && !is_in(node, "draining"))
			continue;
		*(number(node, "used") ? &busy : &idle) += 1;
		running += number(node, "used");
		slots += number(node, "slots");
		completed += number(node, "completed");
		failed += number(node, "failed");
	}
	json_object_set_new(stats, "total_workers", json_integer(idle + busy));
	json_object_set_new(stats, "idle_workers", json_integer(idle));
	json_object_set_new(stats, "busy_workers", json_integer(busy));
	json_object_set_new(stats, "running_tasks", json_integer(running));
	json_object_set_new(stats, "average_load",
						json_real(slots ? (double)running / (double)slots : 0));
	json_object_set_new(stats, "success_rate",
						completed + failed
							? json_real((double)completed / (double)(completed + failed))
							: json_null());
}

static void count_queues(const struct gateway *g, json_t *stats)
{
	json_t *queues = json_object();
	json_int_t pending = 0;
	const json_t *lane;
	size_t i;

	json_array_foreach (list_of(g, SAMPLE_LANES, "lanes"), i, lane) {
		const char *name = json_string_value(json_object_get(lane, "name"));

		pending += number(lane, "queued");
		if (name)
			json_object_set_new(queues, name,
								json_pack("{s:I, s:I}", "pending", number(lane, "queued"),
										  "running", number(lane, "running")));
	}
	json_object_set_new(stats, "pending_tasks", json_integer(pending));
	json_object_set_new(stats, "queues", queues);
}

/* How each has done since its start; the store computes it. */
static void tell_workers(const struct gateway *g, json_t *stats)
{
	static const char *const keys[] = {"name",         "state",           "running",
									   "slots",        "completed",       "failed",
									   "success_rate", "avg_duration_ms", "uptime_s"};
	json_t *workers = json_array();
	const json_t *node;
	size_t i;

	json_array_foreach (list_of(g, SAMPLE_PERFORMANCE, "nodes"), i, node) {
		json_t *w = json_object();

		for (size_t k = 0; k < ARRAY_LEN(keys); k++)
			json_object_set(w, keys[k], json_object_get(node, keys[k]));
		json_array_append_new(workers, w);
	}
	json_object_set_new(stats, "workers", workers);
}

/* A router that answers and a store with its database: the cluster can take tasks and keep them. */
static bool cluster_initialized(const json_t *health)
{
	return number(health, "router") > 0 && number(health, "store") > 0 &&
		   json_is_true(json_object_get(json_object_get(health, "database"), "ok"));
}

static void on_known(void *data)
{
	struct looking *x = data;
	const struct gateway *g = x->gateway;
	const json_t *health = live_health(g->live),
				 *heal = sampler_json(live_sampler(g->live), SAMPLE_HEAL);
	bool healthy = json_is_true(json_object_get(health, "ok"));
	json_t *j = json_object(), *stats = json_object();

	json_object_set_new(j, "healthy", json_boolean(healthy));
	json_object_set_new(j, "status", json_string(healthy ? "healthy" : "degraded"));
	json_object_set_new(j, "version", json_string(MILLRACE_VERSION));
	json_object_set_new(j, "uptime_seconds",
						json_integer((clock_mono_ms() - g->started_mono_ms) / 1000));
	/* A stranger learns whether it works; names and reasons are for who may read. */
	if (http_scope(x->request) >= SCOPE_READ) {
		count_workers(g, stats);
		count_queues(g, stats);
		tell_workers(g, stats);
		json_object_update(j, (json_t *)(uintptr_t)health);
		json_object_del(j, "ok");
	}
	json_object_set_new(j, "stats", stats);
	json_object_set_new(j, "cluster_initialized", json_boolean(cluster_initialized(health)));
	json_object_set_new(j, "healing_initialized",
						json_boolean(json_is_true(json_object_get(heal, "initialized"))));
	http_answer_header(x->request, "Cache-Control", "no-store");
	http_reply_json(x->request, 200, j);
	free(x);
}

static void on_health(void *data, struct http_request *r)
{
	struct gateway *g = data;
	struct looking *x = xmalloc(sizeof(*x));

	*x = (struct looking){g, r};
	live_want_performance(g->live);
	live_when_known(g->live, on_known, x);
}

const struct http_route health_routes[] = {
	{"GET", "/livez", SCOPE_NONE, on_livez, 0, NULL},
	{"GET", "/readyz", SCOPE_NONE, on_readyz, 0, NULL},
	{"GET", "/health", SCOPE_NONE, on_health, 0, NULL},
	{0},
};
