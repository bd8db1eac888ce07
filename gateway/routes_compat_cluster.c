/*
 * /api/cluster: a cluster of agents that heals itself, as its clients know it:
 * state of the workers, of the machines, what healing may do and has done, and
 * tasks for a role.
 */
#include "common/clock.h"
#include "gateway/gateway.h"
#include "gateway/gather.h"
#include "gateway/list_page.h"
#include "gateway/routes.h"
#include "gateway/submit.h"
#include "gateway/words.h"

#define CLUSTER "/api/cluster"

static json_t *at(int64_t wall_ns)
{
	char text[40];

	time_format(wall_ns, text);
	return json_string(text);
}

static double number(const json_t *record, const char *key)
{
	return json_number_value(json_object_get(record, key));
}

/* ---- workers ---- */

struct workers {
	json_int_t total, healthy, idle, busy, draining, lost;
	double slots, used, completed, failed;
};

static struct workers count_workers(const json_t *nodes)
{
	struct workers w = {0};
	json_t *node;
	size_t i;

	json_array_foreach (nodes, i, node) {
		const char *state = words_worker_state(node);

		if (str_eq(state, "stopped"))
			continue;
		w.total++;
		w.idle += str_eq(state, "idle");
		w.busy += str_eq(state, "busy");
		w.draining += str_eq(state, "draining");
		w.lost += str_eq(state, "lost");
		w.slots += number(node, "slots");
		w.used += number(node, "used");
		w.completed += number(node, "completed");
		w.failed += number(node, "failed");
	}
	w.healthy = w.total - w.lost;
	return w;
}

static json_t *told_workers(const json_t *nodes)
{
	struct workers w = count_workers(nodes);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:o}", "total",
					 w.total, "healthy", w.healthy, "idle", w.idle, "busy", w.busy, "draining",
					 w.draining, "lost", w.lost, "slots", (json_int_t)w.slots, "running_tasks",
					 (json_int_t)w.used, "average_load", w.slots > 0 ? w.used / w.slots : 0,
					 "tasks_completed", (json_int_t)w.completed, "errors", (json_int_t)w.failed,
					 "success_rate",
					 w.completed + w.failed > 0 ? json_real(w.completed / (w.completed + w.failed))
												: json_null());
}

static json_t *list_workers(const json_t *nodes, int64_t now_wall_ns)
{
	const char *next;
	json_t *page = list_page(nodes, "name", 0, NULL, &next), *node;
	size_t i;

	json_array_foreach (page, i, node)
		json_array_set_new(page, i, words_worker(node, now_wall_ns));
	return page;
}

/* ---- machines ---- */

/* The worst of a check, over all hosts. */
static json_t *worst(const json_t *checks, const char *name)
{
	json_t *found = NULL, *check;
	size_t i;

	json_array_foreach (checks, i, check) {
		if (str_eq(words_text(check, "check"), name) &&
			(!found || number(check, "value") > json_number_value(found)))
			found = json_object_get(check, "value");
	}
	return found ? json_incref(found) : json_null();
}

static json_t *told_system(const json_t *heal)
{
	const json_t *checks = json_object_get(heal, "checks");

	if (!heal)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "cpu_percent", worst(checks, "cpu"), "memory_percent",
					 worst(checks, "memory"), "disk_percent", worst(checks, "disk"), "checks",
					 checks ? json_incref((json_t *)(uintptr_t)checks) : json_array());
}

/* What healing may be allowed, and is. */
static json_t *told_permissions(const json_t *heal)
{
	static const char *const known[] = {"clear_caches",   "drop_page_cache",  "clean_temp",
										"restart_broker", "restart_database", "restart_node",
										"remove_stale",   "quarantine"};
	json_t *told = json_object(), *name;
	size_t i;

	if (!heal) {
		json_decref(told);
		return json_null();
	}
	for (i = 0; i < ARRAY_LEN(known); i++)
		json_object_set_new(told, known[i], json_false());
	json_array_foreach (json_object_get(heal, "permissions"), i, name)
		json_object_set_new(told, json_string_value(name), json_true());
	return told;
}

static bool critical(const json_t *heal)
{
	json_t *check;
	size_t i;

	json_array_foreach (json_object_get(heal, "checks"), i, check) {
		if (str_eq(words_text(check, "level"), "critical"))
			return true;
	}
	return false;
}

static json_t *status(const struct http_request *r UNUSED, const struct gathered *x)
{
	const json_t *nodes = json_object_get(x->part[0], "nodes");
	struct workers w = count_workers(nodes);
	bool healing = json_is_true(json_object_get(x->part[1], "initialized"));
	const char *word = x->part[0] && w.healthy == 0                        ? "unhealthy"
					   : w.lost > 0 || !x->part[0] || critical(x->part[1]) ? "degraded"
																		   : "healthy";

	return json_pack(
		"{s:s, s:o, s:b, s:b, s:o, s:o, s:o, s:o}", "status", word, "timestamp", at(x->now_wall_ns),
		"cluster_initialized", w.healthy > 0, "healing_initialized", healing, "worker_health",
		x->part[0] ? told_workers(nodes) : json_null(), "workers",
		x->part[0] ? list_workers(nodes, x->now_wall_ns) : json_null(), "system_metrics",
		told_system(x->part[1]), "infrastructure_permissions", told_permissions(x->part[1]));
}

/* ---- agents ---- */

static json_t *live_agent(const json_t *agent, int64_t now_wall_ns)
{
	const json_t *s = json_object_get(agent, "status");

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "agent_id",
					 words_copy(agent, "agent_id"), "agent_type", words_copy(agent, "role_type"),
					 "project_id", words_copy(agent, "project_id"), "worker",
					 words_copy(agent, "node"), "status", words_agent_state(agent), "healthy",
					 !*words_agent_trouble(agent, now_wall_ns), "process_id", words_copy(s, "pid"),
					 "tasks_completed", words_copy(s, "tasks"), "errors", words_copy(s, "errors"),
					 "uptime_s", words_since(s, "started_at", now_wall_ns), "heartbeat_age_s",
					 words_since(s, "heartbeat_at", now_wall_ns), "last_active_at",
					 words_copy(s, "last_active_at"));
}

static json_t *live(const struct http_request *r UNUSED, const struct gathered *x)
{
	const json_t *agents = json_object_get(x->part[0], "agents");
	json_t *told = list_answer(agents, "agent_id", "agents", x->query), *agent;
	json_t *page = json_object_get(told, "agents");
	size_t i;

	json_array_foreach (page, i, agent)
		json_array_set_new(page, i, live_agent(agent, x->now_wall_ns));
	if (!x->part[0])
		json_object_set_new(told, "agents", json_null());
	json_object_set_new(told, "total",
						x->part[0] ? json_integer((json_int_t)json_array_size(agents))
								   : json_null());
	json_object_set_new(told, "workers",
						x->part[1]
							? list_workers(json_object_get(x->part[1], "nodes"), x->now_wall_ns)
							: json_null());
	json_object_set_new(told, "timestamp", at(x->now_wall_ns));
	return told;
}

/* ---- metrics ---- */

static json_t *told_broker(const json_t *info)
{
	const json_t *api = json_object_get(info, "api");

	if (!info)
		return json_null();
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "connected", 1, "streams",
					 words_copy(info, "streams"), "consumers", words_copy(info, "consumers"),
					 "memory_bytes", words_copy(info, "memory"), "storage_bytes",
					 words_copy(info, "storage"), "api_requests", words_copy(api, "total"),
					 "api_errors", words_copy(api, "errors"));
}

static json_t *told_queues(const json_t *lanes)
{
	json_int_t waiting = 0, running = 0;
	json_t *lane;
	size_t i;

	if (!lanes)
		return json_null();
	json_array_foreach (json_object_get(lanes, "lanes"), i, lane) {
		waiting += (json_int_t)number(lane, "queued");
		running += (json_int_t)number(lane, "running");
	}
	return json_pack("{s:I, s:I, s:I}", "lanes",
					 (json_int_t)json_array_size(json_object_get(lanes, "lanes")), "pending",
					 waiting, "running", running);
}

static json_t *metrics(const struct http_request *r UNUSED, const struct gathered *x)
{
	json_t *workers = x->part[0] ? told_workers(json_object_get(x->part[0], "nodes")) : json_null();

	if (x->part[0])
		json_object_set_new(workers, "performance",
							x->part[4] ? words_copy(x->part[4], "nodes") : json_null());
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "timestamp", at(x->now_wall_ns), "system",
					 told_system(x->part[1]), "broker", told_broker(x->part[2]), "queues",
					 told_queues(x->part[3]), "workers", workers);
}

/* ---- healing ---- */

static json_t *healed(const struct http_request *r UNUSED, const json_t *done)
{
	json_t *events = words_copy(done, "events"), *event;
	json_int_t acted = 0, failed = 0;
	size_t i;

	json_array_foreach (events, i, event) {
		acted += str_eq(words_text(event, "result"), "done");
		failed += str_eq(words_text(event, "result"), "failed");
	}
	return json_pack("{s:s, s:I, s:I, s:o}", "status", failed ? "failed" : "completed", "healed",
					 acted, "failed", failed, "events", events);
}

static void on_heal(void *data, struct http_request *r)
{
	json_t *run = ask_no_query(r) ? http_json(r) : NULL;

	if (run)
		ask_shaped(data, r, "api.heal.run", run, healed);
}

static json_t *history(const struct http_request *r UNUSED, const json_t *told)
{
	json_t *events = words_copy(told, "events");

	return json_pack("{s:o, s:I}", "history", events, "count", (json_int_t)json_array_size(events));
}

static const struct ask_param history_params[] = {{"action", NULL, ASK_TEXT},
												  {"limit", NULL, ASK_NUMBER},
												  {"after", "after_at", ASK_TIME},
												  {"before", "before_at", ASK_TIME},
												  {0}};
static const struct ask_param list_params[] = {LIST_PARAMS, {0}};

static void on_history(void *data, struct http_request *r)
{
	json_t *get = ask_query(r, history_params);

	if (get)
		ask_shaped(data, r, "api.heal.history", get, history);
}

/* ---- tasks ---- */

struct looking {
	struct gateway *gateway;
	struct http_request *request;
};

static void on_found(void *data, const struct ask_answer *a)
{
	struct looking *l = data;
	const struct recent_task *t = recent_find(&l->gateway->recent, http_param(l->request, "id"));

	if (a->status == 200 && json_is_object(a->json)) {
		http_reply_json(l->request, 200, words_cluster_task(a->json));
	} else if (a->status == 404 && t) { /* submitted a moment ago, and not stored yet */
		json_t *task = json_pack("{s:s, s:s, s:s, s:i}", "id", t->id, "type", t->type, "state",
								 "queued", "attempt", 0);

		http_reply_json(l->request, 200, words_cluster_task(task));
		json_decref(task);
	} else {
		ask_fail(l->request, a);
	}
	free(l);
}

static void on_task(void *data, struct http_request *r)
{
	struct looking *l;

	if (!ask_no_query(r))
		return;
	l = xmalloc(sizeof(*l));
	*l = (struct looking){data, r};
	ask(data, "api.task.get", json_pack("{s:s}", "id", http_param(r, "id")), on_found, l);
}

static json_t *accepted(const char *id, const char *type, bool duplicate)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "task_id", id, "agent_type", type, "status", "queued",
					 "duplicate", duplicate);
}

static const struct ask_param submit_params[] = {{"agent_type", "type", ASK_TEXT},
												 {"description", "text", ASK_TEXT},
												 {"project_id", NULL, ASK_TEXT},
												 {"priority", NULL, ASK_TEXT},
												 {"timeout", NULL, ASK_TEXT},
												 {"wait", "", ASK_TEXT},
												 {0}};

/* A task for a role: its type is the role, its body the description. */
static void on_submit(void *data, struct http_request *r)
{
	static const struct submit_style style = {.accepted = accepted, .ended = words_cluster_task};
	json_t *spec = ask_query(r, submit_params);
	const char *missing = NULL;

	if (!spec)
		return;
	missing = !json_object_get(spec, "type")   ? "agent_type"
			  : !json_object_get(spec, "text") ? "description"
											   : NULL;
	json_object_del(spec, "");
	if (missing) {
		http_problem(r, 400, missing,
					 "%s: it is missing; as ?agent_type=coder&description=adds%%20two%%20numbers",
					 missing);
	} else {
		char *text = json_dumps(spec, JSON_COMPACT);

		submit_spec(data, r, text ? text : "", text ? strlen(text) : 0, &style);
		free(text);
	}
	json_decref(spec);
}

const struct http_route compat_cluster_routes[] = {
	GATHER(CLUSTER "/status", {{"api.node.list", NULL, false}, {"api.heal.status", NULL, false}},
		   status),
	GATHER(CLUSTER "/agents/live",
		   {{"api.agent.list", NULL, false}, {"api.node.list", NULL, false}}, live, list_params),
	GATHER(CLUSTER "/metrics",
		   {{"api.node.list", NULL, false},
			{"api.heal.status", NULL, false},
			{"$JS.API.INFO", NULL, false},
			{"api.lane.list", NULL, false},
			{"api.node.performance", NULL, false}},
		   metrics),
	{"POST", CLUSTER "/heal", SCOPE_OPERATE, on_heal, 0, NULL},
	{"GET", CLUSTER "/infrastructure/healing-history", SCOPE_READ, on_history, 0, NULL},
	{"POST", CLUSTER "/task/submit", SCOPE_SUBMIT, on_submit, 0, NULL},
	{"GET", CLUSTER "/task/{id}", SCOPE_READ, on_task, 0, NULL},
	{0},
};
