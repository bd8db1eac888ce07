/*
 * `millrace audit`. It stands alone as the reader of api.audit.*. Goes well:
 * a store tells what the last pass found, or makes one. Fails: a drift (1), no
 * store (5), a pass that does not come to an end in time (124).
 */
#include "cli/cli.h"

#define ASK_AGAIN_MS 300
#define WAIT_DEFAULT_NS (5 * 60 * NS_PER_S)

static int run_audit(struct cli *c, int argc, char **argv);

static const struct cli_flag flags[] = {
	{"repair", 0, NULL,
	 "make a pass now, and give up what is lost: dead letters, acked without outcome"},
	{"wait", 0, "D", "how long such a pass may take (5m)"},
	{0},
};

const struct cli_command commands_audit[] = {
	{"audit", "[--repair]", "does every unfinished task lie in a stream?",
	 "accepted = completed + dead + cancelled + queued + running + scheduled, and what is not over "
	 "has a message in its\n"
	 "lane or in DELAYED. Stores look by themselves (audit.interval); this tells what the last "
	 "look found. MISSING are\n"
	 "tasks whose message a stranger took, deleted or purged, and of which nobody told how they "
	 "ended; UNRESOLVED, of\n"
	 "them, may be elsewhere and are never touched. Exit 1 where anything is missing.\n"
	 "examples:\n"
	 "  millrace audit\n"
	 "  millrace audit --json | jq '.lanes[] | select(.missing > 0)'\n"
	 "  millrace audit --repair\n",
	 flags, 0, 0, run_audit},
	{0},
};

static const struct cli_column columns[] = {
	{"LANE", "lane", CELL_TEXT},
	{"ACCEPTED", "accepted", CELL_NUMBER},
	{"SCHEDULED", "scheduled", CELL_NUMBER},
	{"QUEUED", "queued", CELL_NUMBER},
	{"RUNNING", "running", CELL_NUMBER},
	{"COMPLETED", "completed", CELL_NUMBER},
	{"DEAD", "dead", CELL_NUMBER},
	{"CANCELLED", "cancelled", CELL_NUMBER},
	{"MESSAGES", "messages", CELL_NUMBER},
	{"MISSING", "missing", CELL_NUMBER},
	{"UNRESOLVED", "unresolved", CELL_NUMBER},
};

static int64_t number(const json_t *j, const char *key)
{
	return json_integer_value(json_object_get(j, key));
}

static void print(struct cli *c, json_t *report)
{
	if (c->config.json) {
		cli_print_json(report);
		return;
	}
	cli_print_limited(c, columns, ARRAY_LEN(columns), json_object_get(report, "lanes"));
	const char *at = json_string_value(json_object_get(report, "finished_at"));
	cli_say(c, "pass %lld, %s: %lld of %lld tasks have no message; %lld were given up in all",
			(long long)number(report, "pass"), at ? at : "none yet",
			(long long)number(report, "drift"),
			(long long)number(json_object_get(report, "total"), "accepted"),
			(long long)number(report, "repaired_total"));
	if (!json_is_true(json_object_get(report, "complete")) && number(report, "pass") > 0)
		cli_say(c, "more is to be looked at than one pass takes; the next ones go on");
}

static int wait_pass(struct cli *c, int64_t pass, int64_t wait_ns, json_t **ret, struct err *e)
{
	int64_t end_ms = clock_mono_ms() + wait_ns / NS_PER_MS;
	bool told = false, never = false;

	for (;;) {
		json_t *report;
		int rc = cli_call(c, "api.audit.get", NULL, &report, e);
		if (rc)
			return rc;
		if (number(report, "pass") >= pass) {
			*ret = report;
			return 0;
		}
		json_decref(report);
		if (clock_mono_ms() > end_ms)
			return err_set(e, ERR_TIMEOUT,
						   "the pass has not come to an end; 'millrace audit' tells later");
		if (!told)
			cli_say(
				c,
				"a pass is made; what is suspected is watched for the stores' audit.grace first");
		told = true;
		rc = cli_wait(c, &never, ASK_AGAIN_MS, e);
		if (rc && rc != ERR_TIMEOUT)
			return rc;
	}
}

static int run_audit(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *report = NULL;
	int64_t wait_ns = WAIT_DEFAULT_NS;
	int rc;

	(void)argc;
	(void)argv;
	if (cli_duration(c, "wait", &wait_ns, &e))
		return cli_usage(c, "%s", e.text);
	if (cli_has(c, "repair")) {
		json_t *request = json_pack("{s:b}", "repair", 1), *wanted = NULL;
		rc = cli_call(c, "api.audit.run", request, &wanted, &e);
		json_decref(request);
		if (!rc)
			rc = wait_pass(c, number(wanted, "pass"), wait_ns, &report, &e);
		json_decref(wanted);
	} else {
		rc = cli_call(c, "api.audit.get", NULL, &report, &e);
	}
	if (rc)
		return cli_fail(c, &e);
	bool drift = number(report, "drift") > 0;
	print(c, report);
	json_decref(report);
	return drift ? EXIT_FAILED : EXIT_OK;
}
