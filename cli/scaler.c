/*
 * `millrace scaler …`: who leads, and what was decided and why. It stands
 * alone as the asker of api.scaler.*. Goes well: the scaler that leads tells
 * its state, a store its history. Fails: no scaler or no store (5).
 */
#include "cli/history.h"

static int run_status(struct cli *c, int argc, char **argv);
static int run_history(struct cli *c, int argc, char **argv);

static const struct cli_flag history_flags[] = {
	{"pool", 0, "P", "of one pool"},
	HISTORY_FLAGS,
	{0},
};

const struct cli_command commands_scaler[] = {
	{"scaler status", "", "which scaler leads, and what it sees", NULL, NULL, 0, 0, run_status},
	{"scaler history", "[--pool P] [--action A]", "decisions and their reasons, newest first",
	 "Actions: lead, target, start, adopt, drain, undrain, stop, gone, lost, crash, suspend, "
	 "resume, "
	 "spawn, place,\n"
	 "terminate, idle, denied. FROM and TO are nodes, of action target; WAIT is what 95 % of tasks "
	 "will not exceed then.\n"
	 "examples:\n"
	 "  millrace scaler history --pool coders --action target\n"
	 "  millrace scaler history --after 2026-01-02T03:00:00Z --json | jq .reason\n",
	 history_flags, 0, 0, run_history},
	{0},
};

static const struct cli_column status_columns[] = {
	{"leader", "leader", CELL_TEXT},       {"host", "host", CELL_TEXT},
	{"epoch", "epoch", CELL_NUMBER},       {"since", "since_at", CELL_AGE},
	{"pools", "pools", CELL_NUMBER},       {"nodes", "nodes", CELL_NUMBER},
	{"observed", "observed_at", CELL_AGE},
};

static const struct cli_column history_columns[] = {
	{"AT", "at", CELL_AGE},          {"POOL", "pool", CELL_TEXT},
	{"ACTION", "action", CELL_TEXT}, {"NODE", "node", CELL_TEXT},
	{"AGENT", "agent", CELL_TEXT},   {"FROM", "from", CELL_NUMBER},
	{"TO", "to", CELL_NUMBER},       {"WAITING", "waiting", CELL_NUMBER},
	{"WAIT", "wait_s", CELL_NUMBER}, {"REASON", "reason", CELL_LONG},
};

static int run_status(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *status;

	(void)argc;
	(void)argv;
	if (cli_call(c, "api.scaler.status", NULL, &status, &e))
		return cli_fail(c, &e);
	cli_print_record(c, status_columns, ARRAY_LEN(status_columns), status);
	json_decref(status);
	return EXIT_OK;
}

static int run_history(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return cli_history(c, "api.scaler.history", history_columns, ARRAY_LEN(history_columns));
}
