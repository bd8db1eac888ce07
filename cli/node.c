/*
 * `millrace node …`: look at nodes, wait for one, drain them, let them work
 * again, stop them. It stands alone as the one that speaks to a node by its name.
 *
 * Goes well: the router lists them (api.node.*), and the node itself obeys on
 * ctl.node.<name>.*. Fails: no such node (3); a node that is listed but does
 * not answer (5), which is a node that hangs or is gone; --wait that takes too
 * long (124): the node goes on draining.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "common/token.h"

#define LOOK_FIRST_MS 50
#define LOOK_MOST_MS 1000
#define READY_WAIT_NS (60 * NS_PER_S)
#define SILENT_TRIES 10 /* a router that restarts is waited for, one that is gone is not */

static int run_list(struct cli *c, int argc, char **argv);
static int run_show(struct cli *c, int argc, char **argv);
static int run_wait(struct cli *c, int argc, char **argv);
static int run_drain(struct cli *c, int argc, char **argv);
static int run_undrain(struct cli *c, int argc, char **argv);
static int run_stop(struct cli *c, int argc, char **argv);

static const struct cli_flag wait_flags[] = {
	{"wait", 0, "D", "at most so long (60s)"},
	{0},
};
static const struct cli_flag drain_flags[] = {
	{"wait", 0, "[=D]", "until it has nothing left to do (at most D)"},
	{0},
};
static const struct cli_flag stop_flags[] = {
	{"wait", 0, "[=D]", "until it is gone (at most D)"},
	{0},
};

const struct cli_command commands_node[] = {
	{"node list", "", "nodes with their load", NULL, NULL, 0, 0, run_list},
	{"node show", "NAME", "one node", NULL, NULL, 1, 1, run_show},
	{"node wait", "NAME [--wait D]", "until it is there and ready for tasks",
	 "examples:\n"
	 "  millrace-node node-7 --handlers handlers.yaml & millrace node wait node-7\n",
	 wait_flags, 1, 1, run_wait},
	{"node drain", "NAME [--wait[=D]]", "take no new tasks, finish what runs",
	 "examples:\n"
	 "  millrace node drain node-1 --wait=5m && systemctl restart millrace-node@node-1\n"
	 "  millrace node undrain node-1\n",
	 drain_flags, 1, 1, run_drain},
	{"node undrain", "NAME", "take tasks again", NULL, NULL, 1, 1, run_undrain},
	{"node stop", "NAME [--wait[=D]]", "drain, then end the node's process", NULL, stop_flags, 1, 1,
	 run_stop},
	{0},
};

static const struct cli_column list_columns[] = {
	{"NODE", "name", CELL_TEXT},       {"POOL", "pool", CELL_TEXT},
	{"STATE", "state", CELL_STATE},    {"USED", "used", CELL_NUMBER},
	{"SLOTS", "slots", CELL_NUMBER},   {"CAPABILITIES", "capabilities", CELL_LONG},
	{"TYPES", "types", CELL_LONG},     {"COMPLETED", "completed", CELL_NUMBER},
	{"FAILED", "failed", CELL_NUMBER}, {"HEARTBEAT", "heartbeat_age_s", CELL_NUMBER},
	{"HOST", "host", CELL_TEXT},
};

static const struct cli_column record_columns[] = {
	{"node", "name", CELL_TEXT},
	{"pool", "pool", CELL_TEXT},
	{"state", "state", CELL_STATE},
	{"slots", "slots", CELL_NUMBER},
	{"used", "used", CELL_NUMBER},
	{"direct waiting", "direct", CELL_NUMBER},
	{"capabilities", "capabilities", CELL_TEXT},
	{"types", "types", CELL_TEXT},
	{"labels", "labels", CELL_TEXT},
	{"bridge", "bridge", CELL_TEXT},
	{"host", "host", CELL_TEXT},
	{"pid", "pid", CELL_NUMBER},
	{"version", "version", CELL_TEXT},
	{"cpu %", "cpu_percent", CELL_NUMBER},
	{"memory %", "memory_percent", CELL_NUMBER},
	{"completed", "completed", CELL_NUMBER},
	{"failed", "failed", CELL_NUMBER},
	{"started", "started_at", CELL_AGE},
	{"heartbeat s", "heartbeat_age_s", CELL_NUMBER},
};

static int run_list(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *page;

	(void)argc;
	(void)argv;
	if (cli_call(c, "api.node.list", NULL, &page, &e))
		return cli_fail(c, &e);
	cli_print_limited(c, list_columns, ARRAY_LEN(list_columns), json_object_get(page, "nodes"));
	json_decref(page);
	return EXIT_OK;
}

static int fetch(struct cli *c, const char *name, json_t **ret, struct err *e)
{
	json_t *request = json_pack("{s:s}", "name", name);
	int rc = cli_call(c, "api.node.get", request, ret, e);

	json_decref(request);
	return rc;
}

static int run_show(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *node;

	(void)argc;
	if (token_check("node", argv[0], &e) || fetch(c, argv[0], &node, &e))
		return cli_fail(c, &e);
	cli_print_record(c, record_columns, ARRAY_LEN(record_columns), node);
	json_decref(node);
	return EXIT_OK;
}

/* Nobody listens under that name: is it a wrong name, or a node that is gone or hangs? */
static int absent(struct cli *c, const char *name, struct err *e)
{
	struct err why = {0};
	json_t *node;
	int rc = fetch(c, name, &node, &why);

	if (rc == ERR_NOT_FOUND)
		return err_set(e, ERR_NOT_FOUND, "no node '%s'; 'millrace node list' tells which there are",
					   name);
	if (rc)
		return err_set(e, ERR_UNREACHABLE,
					   "node '%s' does not answer: it is not running, or cut off", name);
	json_decref(node);
	return err_set(e, ERR_UNREACHABLE,
				   "node '%s' is listed but does not answer: it hangs, or ended a moment ago",
				   name);
}

static int command(struct cli *c, const char *name, const char *verb, struct err *e)
{
	char subject[64 + TOKEN_MAX];
	json_t *answer;
	int rc;

	if (token_check("node", name, e))
		return ERR_INVALID;
	snprintf(subject, sizeof(subject), "ctl.node.%s.%s", name, verb);
	rc = cli_call(c, subject, NULL, &answer, e);
	/* ERR_UNREACHABLE with a bus that is up: the node is what is missing. */
	if (rc == ERR_UNREACHABLE && c->bus && bus_is_up(c->bus))
		return absent(c, name, e);
	if (rc)
		return rc;
	json_decref(answer);
	return 0;
}

enum goal { DRAINED, GONE, READY };

/* Whether what is waited for has come. 1, 0 or an error. */
static int reached(struct cli *c, const char *name, enum goal goal, struct err *e)
{
	json_t *node;
	const char *state;
	bool yes;
	int rc = fetch(c, name, &node, e);

	if (rc)
		return rc == ERR_NOT_FOUND ? goal != READY : rc;
	state = json_string_value(json_object_get(node, "state"));
	if (goal == READY)
		yes = state && str_eq(state, "ready");
	else
		yes = state && (str_eq(state, "stopped") || str_eq(state, "lost") ||
						(goal == DRAINED && str_eq(state, "draining") &&
						 json_integer_value(json_object_get(node, "used")) == 0));
	json_decref(node);
	return yes;
}

static const char *not_yet(enum goal goal)
{
	switch (goal) {
	case DRAINED:
		return "is still busy; it goes on draining";
	case GONE:
		return "is still busy; it goes on stopping";
	case READY:
		return "is not ready; its log may tell why";
	}
	return "";
}

static int wait_for(struct cli *c, const char *name, enum goal goal)
{
	int64_t limit_ns = goal == READY ? READY_WAIT_NS : -1;
	int64_t step = LOOK_FIRST_MS;
	int64_t deadline;
	unsigned silent = 0;
	bool never = false;
	struct err e = {0};

	if (cli_duration(c, "wait", &limit_ns, &e))
		return cli_fail(c, &e);
	deadline = limit_ns < 0 ? INT64_MAX : clock_mono_ms() + limit_ns / NS_PER_MS;
	for (;;) {
		int rc = reached(c, name, goal, &e);

		if (rc > 0)
			return EXIT_OK;
		silent = rc ? silent + 1 : 0;
		if (rc == ERR_CLOSED || silent == SILENT_TRIES)
			return cli_fail(c, &e);
		if (clock_mono_ms() >= deadline) {
			cli_say(c, "node %s %s", name, not_yet(goal));
			return EXIT_TIMED_OUT;
		}
		rc = cli_wait(c, &never, MIN_OF(step, MAX_OF(deadline - clock_mono_ms(), 1)), &e);
		if (rc != ERR_TIMEOUT)
			return cli_fail(c, &e);
		step = MIN_OF(step * 2, LOOK_MOST_MS);
	}
}

static void print_done(const struct cli *c, const char *name, const char *state)
{
	json_t *j;

	if (!c->config.json) {
		cli_say(c, "node %s: %s", name, state);
		return;
	}
	j = json_pack("{s:s, s:s}", "name", name, "state", state);
	cli_print_json(j);
	json_decref(j);
}

static int obey(struct cli *c, const char *name, const char *verb, const char *now,
				const char *then)
{
	struct err e = {0};
	int64_t limit_ns = 0;
	int code;

	if (cli_duration(c, "wait", &limit_ns, &e) || command(c, name, verb, &e))
		return cli_fail(c, &e);
	if (!cli_has(c, "wait")) {
		print_done(c, name, now);
		return EXIT_OK;
	}
	code = wait_for(c, name, str_eq(verb, "stop") ? GONE : DRAINED);
	if (code == EXIT_OK)
		print_done(c, name, then);
	return code;
}

static int run_wait(struct cli *c, int argc, char **argv)
{
	struct err e = {0};

	(void)argc;
	if (token_check("node", argv[0], &e))
		return cli_fail(c, &e);
	int code = wait_for(c, argv[0], READY);
	if (code == EXIT_OK)
		print_done(c, argv[0], "ready");
	return code;
}

static int run_drain(struct cli *c, int argc, char **argv)
{
	(void)argc;
	return obey(c, argv[0], "drain", "draining", "drained");
}

static int run_undrain(struct cli *c, int argc, char **argv)
{
	(void)argc;
	return obey(c, argv[0], "undrain", "ready", "ready");
}

static int run_stop(struct cli *c, int argc, char **argv)
{
	(void)argc;
	return obey(c, argv[0], "stop", "stopping", "stopped");
}
