/*
 * /api/v1/agents: pools of agents, spawned and ended by name, and how they do.
 * The record is the scaler's (proto/scale.proto); beside its keys stand those
 * that clients of pool managers look for: state, process_id, heartbeat_interval.
 */
#include "common/clock.h"
#include "gateway/gather.h"
#include "gateway/list_page.h"
#include "gateway/pass.h"
#include "gateway/routes.h"
#include "gateway/words.h"

#define V1 "/api/v1"

/* ---- lists ---- */

static bool asked_for(const json_t *agent, const json_t *query)
{
	static const char *const filters[] = {"role_type", "project_id", "pool_name"};

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *wanted = words_text(query, filters[i]);

		if (*wanted && !str_eq(wanted, words_text(agent, filters[i])))
			return false;
	}
	return true;
}

static json_t *agent_list(const struct http_request *r UNUSED, const struct gathered *x)
{
	json_t *chosen = json_array(), *agent, *told, *page;
	size_t i;

	json_array_foreach (json_object_get(x->part[0], "agents"), i, agent) {
		if (asked_for(agent, x->query))
			json_array_append(chosen, agent);
	}
	told = list_answer(chosen, "agent_id", "agents", x->query);
	json_object_set_new(told, "total", json_integer((json_int_t)json_array_size(chosen)));
	page = json_object_get(told, "agents");
	json_array_foreach (page, i, agent)
		json_array_set_new(page, i, words_agent(agent, x->now_wall_ns));
	json_decref(chosen);
	return told;
}

static json_t *pool_list(const struct http_request *r UNUSED, const struct gathered *x)
{
	return list_answer(json_object_get(x->part[0], "pools"), "pool_name", "pools", x->query);
}

static const struct ask_param agent_params[] = {{"role_type", NULL, ASK_TEXT},
												{"project_id", NULL, ASK_TEXT},
												{"pool_name", NULL, ASK_TEXT},
												LIST_PARAMS,
												{0}};
static const struct ask_param list_params[] = {LIST_PARAMS, {0}};

/* ---- one agent ---- */

static json_t *shape_agent(const struct http_request *r UNUSED, const json_t *agent)
{
	return words_agent(agent, clock_wall_ns());
}

/* The record that a body or a path names; NULL: it was answered. */
static json_t *agent_named(struct http_request *r, bool body)
{
	json_t *record = !ask_no_query(r) ? NULL : body ? http_json(r) : json_object();

	if (record && *http_param(r, "id"))
		json_object_set_new(record, "agent_id", json_string(http_param(r, "id")));
	return record;
}

static void on_get(void *data, struct http_request *r)
{
	json_t *record = agent_named(r, false);

	if (record)
		ask_shaped(data, r, "api.agent.get", record, shape_agent);
}

static void on_spawned(void *data, const struct ask_answer *a)
{
	struct http_request *r = data;

	if (a->status == 200 && json_is_object(a->json))
		http_reply_json(r, 201, words_agent(a->json, clock_wall_ns()));
	else
		ask_fail(r, a);
}

static void on_spawn(void *data, struct http_request *r)
{
	json_t *record = agent_named(r, true);

	if (record)
		ask(data, "api.agent.spawn", record, on_spawned, r);
}

struct ending {
	struct http_request *request;
	char *id;
};

static void on_ended(void *data, const struct ask_answer *a)
{
	struct ending *x = data;

	if (a->status == 200)
		http_reply_json(x->request, 200,
						json_pack("{s:s, s:s}", "agent_id", x->id, "status", "terminated"));
	else
		ask_fail(x->request, a);
	free(x->id);
	free(x);
}

static void on_terminate(void *data, struct http_request *r)
{
	json_t *record = agent_named(r, !str_eq(http_method(r), "DELETE"));
	struct ending *x;

	if (!record)
		return;
	if (!*words_text(record, "agent_id")) {
		json_decref(record);
		http_problem(r, 400, "agent_id", "agent_id: which agent? as {\"agent_id\":\"coder-1\"}");
		return;
	}
	x = xmalloc(sizeof(*x));
	*x = (struct ending){r, xstrdup(words_text(record, "agent_id"))};
	ask(data, "api.agent.terminate", record, on_ended, x);
}

/* ---- how they do ---- */

static void count(json_t *of, const char *key, json_int_t more)
{
	json_object_set_new(of, key, json_integer(json_integer_value(json_object_get(of, key)) + more));
}

static json_int_t number(const json_t *record, const char *key)
{
	return json_integer_value(json_object_get(record, key));
}

static json_t *told_agents(const json_t *list)
{
	json_t *by_state = json_pack("{s:i, s:i, s:i, s:i, s:i}", "idle", 0, "busy", 0, "starting", 0,
								 "backoff", 0, "waiting", 0);
	json_t *by_role = json_object(), *agent;
	size_t i;

	json_array_foreach (list, i, agent) {
		count(by_state, words_agent_state(agent), 1);
		count(by_role, words_text(agent, "role_type"), 1);
	}
	return json_pack("{s:I, s:o, s:o}", "total", (json_int_t)json_array_size(list), "by_state",
					 by_state, "by_role", by_role);
}

static json_t *told_pools(const json_t *list)
{
	static const char *const sums[] = {"process_count", "active_worker_processes",
									   "agent_count",   "total_capacity",
									   "used_capacity", "available_capacity"};
	json_t *told = json_object(), *pool;
	size_t i;

	json_object_set_new(told, "total", json_integer((json_int_t)json_array_size(list)));
	for (size_t k = 0; k < ARRAY_LEN(sums); k++) {
		count(told, sums[k], 0);
		json_array_foreach (list, i, pool)
			count(told, sums[k], number(pool, sums[k]));
	}
	json_int_t total = number(told, "total_capacity");
	json_object_set_new(
		told, "utilization",
		json_real(total > 0 ? (double)number(told, "used_capacity") / (double)total : 0));
	return told;
}

/* Of the nodes that are there. */
static json_t *told_system(const json_t *list)
{
	json_t *by_state = json_pack("{s:i, s:i, s:i, s:i, s:i}", "idle", 0, "busy", 0, "draining", 0,
								 "stopped", 0, "lost", 0);
	double cpu = 0, memory = 0, load = 0;
	json_int_t there = 0, slots = 0, used = 0;
	json_t *node;
	size_t i;

	json_array_foreach (list, i, node) {
		const char *state = words_worker_state(node);

		count(by_state, state, 1);
		if (str_eq(state, "lost") || str_eq(state, "stopped"))
			continue;
		there++;
		slots += number(node, "slots");
		used += number(node, "used");
		cpu = MAX_OF(cpu, json_number_value(json_object_get(node, "cpu_percent")));
		memory = MAX_OF(memory, json_number_value(json_object_get(node, "memory_percent")));
	}
	load = slots > 0 ? (double)used / (double)slots : 0;
	return json_pack("{s:I, s:o, s:I, s:I, s:f, s:f, s:f}", "workers", there, "workers_by_state",
					 by_state, "slots", slots, "running_tasks", used, "average_load", load,
					 "cpu_percent", cpu, "memory_percent", memory);
}

static json_t *told_queues(const json_t *list)
{
	json_t *queues = json_array(), *lane;
	size_t i;

	json_array_foreach (list, i, lane) {
		if (i < LIST_PAGE_MAX)
			json_array_append_new(queues, json_pack("{s:o, s:o, s:o, s:o}", "name",
													words_copy(lane, "name"), "pending",
													words_copy(lane, "queued"), "running",
													words_copy(lane, "running"), "paused",
													words_copy(lane, "paused")));
	}
	return queues;
}

static json_t *told_tasks(const json_t *stats)
{
	const json_t *total = json_object_get(stats, "total");
	json_int_t good = number(total, "completed"), bad = number(total, "dead");

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "queued",
					 number(total, "queued") + number(total, "scheduled"), "running",
					 number(total, "running"), "completed", good, "failed", bad, "cancelled",
					 number(total, "cancelled"), "success_rate",
					 good + bad > 0 ? json_real((double)good / (double)(good + bad)) : json_null());
}

static json_t *or_null(const json_t *part, json_t *told)
{
	if (part)
		return told;
	json_decref(told);
	return json_null();
}

static json_t *at(int64_t wall_ns)
{
	char text[40];

	time_format(wall_ns, text);
	return json_string(text);
}

static json_t *monitor(const struct http_request *r UNUSED, const struct gathered *x)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "timestamp", at(x->now_wall_ns), "system",
		or_null(x->part[0], told_system(json_object_get(x->part[0], "nodes"))), "queues",
		or_null(x->part[1], told_queues(json_object_get(x->part[1], "lanes"))), "tasks",
		or_null(x->part[2], told_tasks(x->part[2])), "workers",
		x->part[3] ? words_copy(x->part[3], "nodes") : json_null(), "pools",
		or_null(x->part[4], told_pools(json_object_get(x->part[4], "pools"))), "agents",
		or_null(x->part[5], told_agents(json_object_get(x->part[5], "agents"))));
}

static json_t *health_of(const json_t *agent, int64_t now_wall_ns)
{
	const json_t *status = json_object_get(agent, "status");
	const char *trouble = words_agent_trouble(agent, now_wall_ns);

	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:b, s:s?, s:o, s:o, s:o, s:o}", "agent_id",
					 words_copy(agent, "agent_id"), "role_type", words_copy(agent, "role_type"),
					 "pool_name", words_copy(agent, "pool_name"), "node", words_copy(agent, "node"),
					 "state", words_agent_state(agent), "healthy", !*trouble, "trouble",
					 *trouble ? trouble : NULL, "process_id", words_copy(status, "pid"), "tasks",
					 words_copy(status, "tasks"), "errors", words_copy(status, "errors"),
					 "heartbeat_age_s", words_since(status, "heartbeat_at", now_wall_ns));
}

static json_t *health(const struct http_request *r UNUSED, const struct gathered *x)
{
	const json_t *agents = json_object_get(x->part[0], "agents"),
				 *pools = json_object_get(x->part[1], "pools");
	json_t *told, *page, *value, *suspended = json_array();
	json_int_t all = (json_int_t)json_array_size(agents), ill = 0;
	size_t i;

	json_array_foreach (agents, i, value)
		ill += *words_agent_trouble(value, x->now_wall_ns) != '\0';
	json_array_foreach (pools, i, value) {
		if (json_is_true(json_object_get(value, "suspended")))
			json_array_append(suspended, json_object_get(value, "pool_name"));
	}
	told = list_answer(agents, "agent_id", "agents", x->query);
	page = json_object_get(told, "agents");
	json_array_foreach (page, i, value)
		json_array_set_new(page, i, health_of(value, x->now_wall_ns));
	bool well = ill == 0 && json_array_size(suspended) == 0;
	json_object_set_new(told, "status",
						json_string(well                    ? "healthy"
									: ill == all && all > 0 ? "unhealthy"
															: "degraded"));
	json_object_set_new(told, "timestamp", at(x->now_wall_ns));
	json_object_set_new(told, "total_agents", json_integer(all));
	json_object_set_new(told, "healthy_agents", json_integer(all - ill));
	json_object_set_new(told, "unhealthy_agents", json_integer(ill));
	json_object_set_new(told, "suspended_pools", suspended);
	return told;
}

const struct http_route compat_agents_routes[] = {
	GATHER(V1 "/agents/monitor/system",
		   {{"api.node.list", NULL, false},
			{"api.lane.list", NULL, false},
			{"api.task.stats", NULL, false},
			{"api.node.performance", NULL, false},
			{"api.pool.list", NULL, false},
			{"api.agent.list", NULL, false}},
		   monitor),
	GATHER(V1 "/agents/health", {{"api.agent.list", NULL, true}, {"api.pool.list", NULL, false}},
		   health, list_params),
	GATHER(V1 "/agents/pools", {{"api.pool.list", NULL, true}}, pool_list, list_params),
	PASS("GET", V1 "/agents/pools/{name}", SCOPE_READ, "api.pool.get", "name"),
	GATHER(V1 "/agents", {{"api.agent.list", NULL, true}}, agent_list, agent_params),
	{"POST", V1 "/agents/spawn", SCOPE_OPERATE, on_spawn, 0, NULL},
	{"POST", V1 "/agents/terminate", SCOPE_OPERATE, on_terminate, 0, NULL},
	{"POST", V1 "/agents/{id}/terminate", SCOPE_OPERATE, on_terminate, 0, NULL},
	{"GET", V1 "/agents/{id}", SCOPE_READ, on_get, 0, NULL},
	{"DELETE", V1 "/agents/{id}", SCOPE_OPERATE, on_terminate, 0, NULL},
	{0},
};
