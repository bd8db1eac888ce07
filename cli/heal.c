/*
 * `millrace heal …`: what is ill, making it well now, what was done. It stands
 * alone as the asker of api.heal.*. Goes well: the scaler that leads runs its
 * checks and what they ask for, within its permissions, and tells each act.
 * Fails: an act that failed or is not permitted (1), no scaler (5), acts that
 * take too long (124): they go on, and 'heal history' tells their end.
 */
#include "cli/confirm.h"
#include "cli/history.h"

#define WAIT_DEFAULT_NS (2 * 60 * NS_PER_S)

static int run_heal(struct cli *c, int argc, char **argv);
static int run_status(struct cli *c, int argc, char **argv);
static int run_history(struct cli *c, int argc, char **argv);

static const struct cli_flag heal_flags[] = {
	{"check", 0, "C",
	 "this check alone: cpu, memory, disk, heartbeat, broker, database, node, agent, errors"},
	{"wait", 0, "D", "how long it may take (2m)"},
	{"yes", 'y', NULL, "do not ask"},
	{0},
};

static const struct cli_flag history_flags[] = {
	HISTORY_FLAGS,
	{0},
};

const struct cli_command commands_heal[] = {
	{"heal", "[--check C] [--yes]", "run the health checks now, and what they ask for",
	 "Scalers look by themselves (heal.interval) and act when an illness lasts; this acts on what "
	 "is "
	 "seen now, without\n"
	 "waiting, and within the scaler's permissions (heal.permissions) all the same. Prints what "
	 "was "
	 "done. Exit 1 where an\n"
	 "act failed or is not permitted.\n"
	 "examples:\n"
	 "  millrace heal\n"
	 "  millrace heal --check disk --yes\n"
	 "  millrace heal --yes --json | jq 'select(.result == \"failed\")'\n",
	 heal_flags, 0, 0, run_heal},
	{"heal status", "", "what each health check says, and which acts are permitted", NULL, NULL, 0,
	 0, run_status},
	{"heal history", "[--action A]", "what was done about what, newest first",
	 "Actions: clear_caches, clean_temp, restart_broker, restart_database, restart_node, "
	 "remove_stale, quarantine, alert,\n"
	 "none (it is well again). RESULT: done, failed, denied (not permitted), none.\n"
	 "examples:\n"
	 "  millrace heal history --action restart_broker\n"
	 "  millrace heal history --after 2026-01-02T03:00:00Z --json\n",
	 history_flags, 0, 0, run_history},
	{0},
};

static const struct cli_column event_columns[] = {
	{"AT", "at", CELL_AGE},
	{"HOST", "host", CELL_TEXT},
	{"CHECK", "check", CELL_TEXT},
	{"LEVEL", "level", CELL_STATE},
	{"SUBJECT", "subject", CELL_TEXT},
	{"VALUE", "value", CELL_NUMBER},
	{"LIMIT", "limit", CELL_NUMBER},
	{"ACTION", "action", CELL_TEXT},
	{"RESULT", "result", CELL_STATE},
	{"REASON", "reason", CELL_LONG},
};

static const struct cli_column check_columns[] = {
	{"CHECK", "check", CELL_TEXT},
	{"HOST", "host", CELL_TEXT},
	{"SUBJECT", "subject", CELL_TEXT},
	{"LEVEL", "level", CELL_STATE},
	{"VALUE", "value", CELL_NUMBER},
	{"LIMIT", "limit", CELL_NUMBER},
	{"AT", "at", CELL_AGE},
};

static bool all_well(const json_t *events)
{
	const json_t *event;
	size_t i;

	json_array_foreach (events, i, event) {
		const char *result = json_string_value(json_object_get(event, "result"));

		if (result && (str_eq(result, "failed") || str_eq(result, "denied")))
			return false;
	}
	return true;
}

static int run_heal(struct cli *c, int argc, char **argv)
{
	const char *check = cli_value(c, "check");
	CLEANUP(free_ptr)
	char *what =
		xasprintf("run %s%s, and what %s for", check ? "the health check " : "all health checks",
				  check ? check : "", check ? "it asks" : "they ask");
	int64_t wait_ns = WAIT_DEFAULT_NS;
	struct err e = {0};
	json_t *request, *told = NULL;
	char by[BY_MAX];

	(void)argc;
	(void)argv;
	if (cli_duration(c, "wait", &wait_ns, &e))
		return cli_usage(c, "%s", e.text);
	int code = cli_confirm(c, what, "heal");
	if (code != EXIT_OK)
		return code;
	cli_by(by);
	if (cli_connect(c, &e))
		return cli_fail(c, &e);
	c->config.timeout_ns = wait_ns; /* acts take their time; the answer is their end */
	request = json_pack("{s:s, s:s}", "check", check ? check : "", "by", by);
	int rc = cli_call(c, "api.heal.run", request, &told, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	const json_t *events = json_object_get(told, "events");
	if (json_array_size(events) > 0 || c->config.json)
		cli_print_rows(c, event_columns, ARRAY_LEN(event_columns), events);
	else
		cli_say(c, "all is well: there was nothing to do");
	code = all_well(events) ? EXIT_OK : EXIT_FAILED;
	json_decref(told);
	return code;
}

static int run_status(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *status;

	(void)argc;
	(void)argv;
	if (cli_call(c, "api.heal.status", NULL, &status, &e))
		return cli_fail(c, &e);
	if (c->config.json) {
		cli_print_json(status);
	} else {
		const json_t *may;
		size_t i;

		CLEANUP(buf_release) struct buf list = {0};
		cli_print_rows(c, check_columns, ARRAY_LEN(check_columns),
					   json_object_get(status, "checks"));
		json_array_foreach (json_object_get(status, "permissions"), i, may)
			buf_printf(&list, "%s%s", i ? ", " : "", json_string_value(may));
		cli_say(c, "permitted: %s", list.len ? list.data : "nothing");
	}
	json_decref(status);
	return EXIT_OK;
}

static int run_history(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cli_history(c, "api.heal.history", event_columns, ARRAY_LEN(event_columns));
}
