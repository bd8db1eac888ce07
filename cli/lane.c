/*
 * `millrace lane list` and `lane show`. It stands alone as the reader of
 * api.lane.*. Goes well: router and store answer. Fails: no such lane (3), no
 * router (5).
 */
#include "cli/cli.h"
#include "common/token.h"

static int run_list(struct cli *c, int argc, char **argv);
static int run_show(struct cli *c, int argc, char **argv);

const struct cli_command commands_lane[] = {
	{"lane list", "", "lanes with what waits and runs in each",
	 "A lane is a type and the capabilities that its tasks require: summarize--gpu. Its stream is "
	 "LANE_summarize--gpu, so\n"
	 "'nats stream report' tells the same.\n",
	 NULL, 0, 0, run_list},
	{"lane show", "LANE", "one lane",
	 "examples:\n"
	 "  millrace lane show summarize--gpu\n"
	 "  millrace lane show echo --json | jq .queued\n",
	 NULL, 1, 1, run_show},
	{0},
};

static const struct cli_column list_columns[] = {
	{"LANE", "name", CELL_TEXT},         {"QUEUED", "queued", CELL_NUMBER},
	{"RUNNING", "running", CELL_NUMBER}, {"SCHEDULED", "scheduled", CELL_NUMBER},
	{"HIGH", "high", CELL_NUMBER},       {"NORMAL", "normal", CELL_NUMBER},
	{"LOW", "low", CELL_NUMBER},         {"NODES", "nodes", CELL_NUMBER},
	{"BYTES", "bytes", CELL_BYTES},      {"PAUSED", "paused", CELL_TEXT},
};

static const struct cli_column record_columns[] = {
	{"lane", "name", CELL_TEXT},
	{"type", "type", CELL_TEXT},
	{"requires", "requires", CELL_TEXT},
	{"queued", "queued", CELL_NUMBER},
	{"  high", "high", CELL_NUMBER},
	{"  normal", "normal", CELL_NUMBER},
	{"  low", "low", CELL_NUMBER},
	{"running", "running", CELL_NUMBER},
	{"oldest", "oldest_at", CELL_AGE},
	{"came", "came", CELL_NUMBER},
	{"scheduled", "scheduled", CELL_NUMBER},
	{"bytes", "bytes", CELL_BYTES},
	{"limit", "limit", CELL_NUMBER},
	{"paused", "paused", CELL_TEXT},
	{"  reason", "reason", CELL_TEXT},
	{"  until", "until_at", CELL_TEXT},
	{"rate a second", "rate_per_s", CELL_NUMBER},
	{"concurrency", "concurrency", CELL_NUMBER},
	{"per key", "key_concurrency", CELL_NUMBER},
	{"purging", "purging", CELL_TEXT},
	{"purged", "purged", CELL_NUMBER},
	{"nodes", "nodes", CELL_NUMBER},
	{"created", "created_at", CELL_AGE},
};

/*
 * The router knows its streams, the store what waits for its time. Without a store that figure is
 * null: the lanes are worth showing all the same.
 */
static void add_scheduled(struct cli *c, json_t *lanes)
{
	struct err e = {0};
	json_t *page = NULL, *lane, *row;
	size_t i, k;
	bool known = cli_call(c, "api.lane.scheduled", NULL, &page, &e) == 0;

	if (!known)
		cli_say(c, "how much is scheduled is not known: %s", e.text);
	json_array_foreach(lanes, i, lane)
		json_object_set_new(lane, "scheduled", known ? json_integer(0) : json_null());
	json_array_foreach(json_object_get(page, "lanes"), k, row) {
		const char *name = json_string_value(json_object_get(row, "name"));
		json_array_foreach(lanes, i, lane) {
			const char *other = json_string_value(json_object_get(lane, "name"));
			if (name && other && str_eq(name, other))
				json_object_set(lane, "scheduled", json_object_get(row, "scheduled"));
		}
	}
	json_decref(page);
}

static int run_list(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *page;

	(void)argc;
	(void)argv;
	if (cli_call(c, "api.lane.list", NULL, &page, &e))
		return cli_fail(c, &e);
	add_scheduled(c, json_object_get(page, "lanes"));
	cli_print_limited(c, list_columns, ARRAY_LEN(list_columns), json_object_get(page, "lanes"));
	json_decref(page);
	return EXIT_OK;
}

static int run_show(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	struct lane parsed;
	json_t *request;
	json_t *lane;
	int rc;

	(void)argc;
	if (lane_parse(argv[0], &parsed, &e))
		return cli_fail(c, &e);
	request = json_pack("{s:s}", "name", argv[0]);
	rc = cli_call(c, "api.lane.get", request, &lane, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	json_t *one = json_pack("[O]", lane);
	add_scheduled(c, one);
	json_decref(one);
	cli_print_record(c, record_columns, ARRAY_LEN(record_columns), lane);
	json_decref(lane);
	return EXIT_OK;
}
