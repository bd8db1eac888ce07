/*
 * `millrace pool …`: pools of nodes, and the agents in them. It stands alone
 * as the asker of api.pool.* and api.agent.*. Goes well: the scaler that
 * leads answers. Fails: no such pool or agent (3), a pool that is full (1), a
 * wrong word (2), no scaler (5).
 */
#include <stdio.h>

#include "cli/cli.h"
#include "common/clock.h"
#include "common/token.h"

static int run_list(struct cli *c, int argc, char **argv);
static int run_show(struct cli *c, int argc, char **argv);
static int run_scale(struct cli *c, int argc, char **argv);
static int run_resume(struct cli *c, int argc, char **argv);
static int run_spawn(struct cli *c, int argc, char **argv);
static int run_terminate(struct cli *c, int argc, char **argv);
static int run_agents(struct cli *c, int argc, char **argv);

static const struct cli_flag spawn_flags[] = {
	{"role", 'r', "R", "what it does: the type of its tasks"},
	{"project", 0, "P", "whose tasks it is for; it is placed beside others of that project"},
	{"max-idle", 0, "D", "it ends after so long without a task (300s); 'never'"},
	{"heartbeat", 0, "D", "how often its node asks whether it lives (30s)"},
	{"id", 0, "ID", "its name; made where none is given"},
	{"count", 0, "N", "so many of them"},
	{0},
};

const struct cli_command commands_pool[] = {
	{"pool list", "", "pools: processes, capacity, what waits, what is wanted", NULL, NULL, 0, 0, run_list},
	{"pool show", "POOL", "one pool, with its nodes and the reason for their number", NULL, NULL, 1, 1, run_show},
	{"pool scale", "POOL N|auto", "so many nodes, whatever the load; auto decides again",
	 "Fewer: the idlest are drained first, and nothing that runs is ended.\n"
	 "examples:\n"
	 "  millrace pool scale general 8\n"
	 "  millrace pool scale general auto\n",
	 NULL, 2, 2, run_scale},
	{"pool resume", "POOL", "start nodes again, of a pool that was suspended as they died too often", NULL, NULL,
	 1, 1, run_resume},
	{"pool spawn", "[POOL] --role R [flags]", "an agent more; prints its id",
	 "It takes a place in a process of the pool; where all are full, one more is started.\n"
	 "examples:\n"
	 "  millrace pool spawn --role coder\n"
	 "  millrace pool spawn agents --role critic --project shop --max-idle never --count 3\n",
	 spawn_flags, 0, 1, run_spawn},
	{"pool terminate", "AGENT", "end an agent; what it does now is finished first", NULL, NULL, 1, 1,
	 run_terminate},
	{"pool agents", "[POOL]", "agents, where they are and what they did", NULL, NULL, 0, 1, run_agents},
	{0},
};

static const struct cli_column list_columns[] = {
	{"POOL", "pool_name", CELL_TEXT},          {"PROCESSES", "process_count", CELL_NUMBER},
	{"WANTED", "target", CELL_NUMBER},         {"MIN", "min", CELL_NUMBER},
	{"MAX", "max", CELL_NUMBER},               {"USED", "used_capacity", CELL_NUMBER},
	{"CAPACITY", "total_capacity", CELL_NUMBER}, {"AGENTS", "agent_count", CELL_NUMBER},
	{"WAITING", "waiting", CELL_NUMBER},       {"OLDEST S", "oldest_s", CELL_NUMBER},
	{"PER S", "arrival_per_s", CELL_NUMBER},   {"DRIVER", "driver", CELL_TEXT},
	{"SUSPENDED", "suspended", CELL_TEXT},     {"REASON", "reason", CELL_LONG},
};

static const struct cli_column record_columns[] = {
	{"pool", "pool_name", CELL_TEXT},
	{"driver", "driver", CELL_TEXT},
	{"processes", "process_count", CELL_NUMBER},
	{"busy processes", "active_worker_processes", CELL_NUMBER},
	{"starting", "starting", CELL_NUMBER},
	{"draining", "draining", CELL_NUMBER},
	{"wanted", "target", CELL_NUMBER},
	{"reason", "reason", CELL_TEXT},
	{"min", "min", CELL_NUMBER},
	{"max", "max", CELL_NUMBER},
	{"set by hand", "scaled", CELL_TEXT},
	{"suspended", "suspended", CELL_TEXT},
	{"capacity", "total_capacity", CELL_NUMBER},
	{"used", "used_capacity", CELL_NUMBER},
	{"available", "available_capacity", CELL_NUMBER},
	{"utilization", "utilization", CELL_NUMBER},
	{"agents", "agent_count", CELL_NUMBER},
	{"waiting", "waiting", CELL_NUMBER},
	{"oldest s", "oldest_s", CELL_NUMBER},
	{"arrivals per s", "arrival_per_s", CELL_NUMBER},
	{"forecast per s", "forecast_per_s", CELL_NUMBER},
	{"service s", "service_s", CELL_NUMBER},
	{"wait s (95 %)", "wait_s", CELL_NUMBER},
	{"promised s", "promise_s", CELL_NUMBER},
	{"nodes", "nodes", CELL_TEXT},
	{"types", "types", CELL_TEXT},
	{"lanes", "lanes", CELL_TEXT},
};

static const struct cli_column agent_columns[] = {
	{"AGENT", "agent_id", CELL_TEXT},    {"ROLE", "role_type", CELL_TEXT}, {"PROJECT", "project_id", CELL_TEXT},
	{"POOL", "pool_name", CELL_TEXT},    {"NODE", "node", CELL_TEXT},      {"STATE", "state", CELL_STATE},
	{"PID", "pid", CELL_NUMBER},         {"TASKS", "tasks", CELL_NUMBER},  {"ERRORS", "errors", CELL_NUMBER},
	{"ACTIVE", "last_active_at", CELL_AGE}, {"SPAWNED", "spawned_at", CELL_AGE},
};

static int run_list(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *page;

	(void)argc;
	(void)argv;
	if (cli_call(c, "api.pool.list", NULL, &page, &e))
		return cli_fail(c, &e);
	cli_print_limited(c, list_columns, ARRAY_LEN(list_columns), json_object_get(page, "pools"));
	json_decref(page);
	return EXIT_OK;
}

/* Asks and prints the pool that is answered. */
static int tell(struct cli *c, const char *subject, json_t *request)
{
	struct err e = {0};
	json_t *pool;
	int rc = cli_call(c, subject, request, &pool, &e);

	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	cli_print_record(c, record_columns, ARRAY_LEN(record_columns), pool);
	json_decref(pool);
	return EXIT_OK;
}

static int run_show(struct cli *c, int argc, char **argv)
{
	(void)argc;
	return tell(c, "api.pool.get", json_pack("{s:s}", "name", argv[0]));
}

static int run_scale(struct cli *c, int argc, char **argv)
{
	char *end;
	long nodes = str_eq(argv[1], "auto") ? -1 : strtol(argv[1], &end, 10);

	(void)argc;
	if (!str_eq(argv[1], "auto") && (*end || !*argv[1] || nodes < 0 || nodes > 10000))
		return cli_usage(c, "'%s' is no number of nodes, nor auto", argv[1]);
	return tell(c, "api.pool.scale",
				json_pack("{s:s, s:I, s:s}", "name", argv[0], "nodes", (json_int_t)nodes, "by", "millrace"));
}

static int run_resume(struct cli *c, int argc, char **argv)
{
	(void)argc;
	return tell(c, "api.pool.resume", json_pack("{s:s}", "name", argv[0]));
}

/* ---- agents ---- */

static void set_text(json_t *j, const char *key, const char *value)
{
	if (value)
		json_object_set_new(j, key, json_string(value));
}

static int make_spawn(const struct cli *c, const char *pool, json_t *j, struct err *e)
{
	const char *idle = cli_value(c, "max-idle");
	int64_t idle_ns = 0, heartbeat_ns = 0;

	set_text(j, "role_type", cli_value(c, "role"));
	set_text(j, "pool_name", pool);
	set_text(j, "project_id", cli_value(c, "project"));
	set_text(j, "agent_id", cli_value(c, "id"));
	if ((!idle || !str_eq(idle, "never")) && cli_duration(c, "max-idle", &idle_ns, e))
		return e->code;
	if (cli_duration(c, "heartbeat", &heartbeat_ns, e))
		return e->code;
	if (idle)
		json_object_set_new(j, "max_idle_time",
							json_real(idle_ns ? (double)idle_ns / NS_PER_S : -1));
	if (heartbeat_ns)
		json_object_set_new(j, "heartbeat_interval", json_real((double)heartbeat_ns / NS_PER_S));
	return 0;
}

static int run_spawn(struct cli *c, int argc, char **argv)
{
	json_t *request = json_object(), *agent;
	int64_t count = 1;
	struct err e = {0};
	int rc = 0;

	if (!cli_has(c, "role")) {
		json_decref(request);
		return cli_usage(c, "which role? as --role coder");
	}
	if (cli_number(c, "count", 1, 1000, &count, &e) || make_spawn(c, argc ? argv[0] : NULL, request, &e)) {
		json_decref(request);
		return cli_fail(c, &e);
	}
	if (count > 1 && cli_has(c, "id")) {
		json_decref(request);
		return cli_usage(c, "--id names one agent, not %lld", (long long)count);
	}
	for (int64_t i = 0; i < count && rc == 0; i++) {
		rc = cli_call(c, "api.agent.spawn", request, &agent, &e);
		if (rc)
			break;
		if (c->config.json)
			cli_print_json(agent);
		else
			printf("%s\n", json_string_value(json_object_get(agent, "agent_id")));
		json_decref(agent);
	}
	json_decref(request);
	return rc ? cli_fail(c, &e) : EXIT_OK;
}

static int run_terminate(struct cli *c, int argc, char **argv)
{
	json_t *request = json_pack("{s:s, s:s}", "agent_id", argv[0], "by", "millrace"), *answer;
	struct err e = {0};
	int rc = cli_call(c, "api.agent.terminate", request, &answer, &e);

	(void)argc;
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	json_decref(answer);
	return EXIT_OK;
}

/* What its node tells stands beside what it was spawned with. */
static json_t *flatten(json_t *agents, const char *pool)
{
	json_t *rows = json_array(), *a;
	size_t i;

	json_array_foreach (agents, i, a) {
		if (pool && !str_eq(json_string_value(json_object_get(a, "pool_name")), pool))
			continue;
		json_object_update_missing(a, json_object_get(a, "status"));
		json_object_del(a, "status");
		json_array_append(rows, a);
	}
	return rows;
}

static int run_agents(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *page, *rows;

	if (cli_call(c, "api.agent.list", NULL, &page, &e))
		return cli_fail(c, &e);
	rows = flatten(json_object_get(page, "agents"), argc ? argv[0] : NULL);
	cli_print_limited(c, agent_columns, ARRAY_LEN(agent_columns), rows);
	json_decref(rows);
	json_decref(page);
	return EXIT_OK;
}
