/*
 * `millrace node performance`. It stands alone beside node.c because it asks
 * the store, which has seen nodes that are gone, where node.c asks the router.
 * Goes well: a store tells. Fails: no such node or none that is there (3), no
 * store (5), no database (5).
 */
#include "cli/cli.h"

static int run_performance(struct cli *c, int argc, char **argv);

static const struct cli_flag flags[] = {
	{"pool", 0, "P", "of one pool"},
	{"agents", 0, NULL, "the agents that nodes host, in place of the nodes"},
	{"all", 0, NULL, "those that have stopped or are lost, too"},
	{0},
};

const struct cli_command commands_performance[] = {
	{"node performance", "[NAME] [flags]", "how nodes and their agents have done",
	 "Since the last start of each: what ended well or badly, and how long it took on average. "
	 "SUCCESS is between 0 and 1;\n"
	 "it is absent where nothing has ended yet. Nodes report every ten seconds.\n"
	 "examples:\n"
	 "  millrace node performance\n"
	 "  millrace node performance node-1 --json | jq .success_rate\n"
	 "  millrace node performance --pool coders --agents\n",
	 flags, 0, 1, run_performance},
	{0},
};

static const struct cli_column node_columns[] = {
	{"NODE", "name", CELL_TEXT},
	{"POOL", "pool", CELL_TEXT},
	{"STATE", "state", CELL_STATE},
	{"COMPLETED", "completed", CELL_NUMBER},
	{"FAILED", "failed", CELL_NUMBER},
	{"SUCCESS", "success_rate", CELL_NUMBER},
	{"AVERAGE", "avg_duration_ms", CELL_DURATION_MS},
	{"RUNNING", "running", CELL_NUMBER},
	{"SLOTS", "slots", CELL_NUMBER},
	{"SEEN", "last_seen_at", CELL_AGE},
};

static const struct cli_column agent_columns[] = {
	{"AGENT", "agent_id", CELL_TEXT},
	{"ROLE", "role_type", CELL_TEXT},
	{"NODE", "node", CELL_TEXT},
	{"POOL", "pool", CELL_TEXT},
	{"PROJECT", "project_id", CELL_TEXT},
	{"STATE", "state", CELL_STATE},
	{"COMPLETED", "completed", CELL_NUMBER},
	{"FAILED", "failed", CELL_NUMBER},
	{"SUCCESS", "success_rate", CELL_NUMBER},
	{"STARTED", "started_at", CELL_AGE},
	{"ACTIVE", "last_active_at", CELL_AGE},
};

static int run_performance(struct cli *c, int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "", *pool = cli_value(c, "pool");
	bool agents = cli_has(c, "agents");
	json_t *request = json_pack("{s:s, s:s, s:b, s:b}", "name", name, "pool", pool ? pool : "",
								"agents", (int)agents, "all", (int)cli_has(c, "all"));
	json_t *told = NULL;
	struct err e = {0};
	int rc = cli_call(c, "api.node.performance", request, &told, &e);

	json_decref(request);
	if (!rc && *name && json_array_size(json_object_get(told, "nodes")) == 0)
		rc =
			err_set(&e, ERR_NOT_FOUND,
					"no store has heard of a node '%s'; 'millrace node performance --all' tells of "
					"which",
					name);
	if (!rc && agents)
		cli_print_limited(c, agent_columns, ARRAY_LEN(agent_columns),
						  json_object_get(told, "agents"));
	else if (!rc)
		cli_print_limited(c, node_columns, ARRAY_LEN(node_columns), json_object_get(told, "nodes"));
	json_decref(told);
	return rc ? cli_fail(c, &e) : EXIT_OK;
}
