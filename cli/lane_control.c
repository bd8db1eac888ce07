/*
 * `millrace lane pause|resume|limit|purge`: what changes a lane. Apart from
 * lane.c, which only looks. Goes well: the router writes the lane's setting
 * and answers with it. Fails: no router (5), no such lane to purge (3), a
 * purge that nobody confirmed (2), a value that is none (2).
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/token.h"

#define POLL_MS 200

static int run_pause(struct cli *c, int argc, char **argv);
static int run_resume(struct cli *c, int argc, char **argv);
static int run_limit(struct cli *c, int argc, char **argv);
static int run_purge(struct cli *c, int argc, char **argv);

static const struct cli_flag pause_flags[] = {
	{.name = "reason", .value = "S", .help = "why; 'lane show' tells it"},
	{.name = "for", .value = "D", .help = "it resumes by itself after so long"},
	{.name = "until", .value = "T", .help = "it resumes by itself then (RFC 3339)"},
	{0},
};

static const struct cli_flag limit_flags[] = {
	{.name = "depth", .value = "N", .help = "tasks that may wait on it; more are put off"},
	{.name = "rate", .value = "R", .help = "tasks begun in a second, by all nodes together"},
	{.name = "concurrency", .value = "N", .help = "tasks that run at once, on all nodes together"},
	{.name = "per-key", .value = "N", .help = "the same for the tasks of one Task-Project"},
	{0},
};

static const struct cli_flag purge_flags[] = {
	{.name = "yes", .help = "do not ask"},
	{0},
};

const struct cli_command commands_lane_control[] = {
	{"lane pause", "LANE [--reason S] [--for D | --until T]", "let nodes take nothing more of it",
	 "What runs ends as usual. What comes waits on the lane, and beyond its depth in DELAYED.\n\n"
	 "examples:\n"
	 "  millrace lane pause summarize --reason 'the model is being replaced'\n"
	 "  millrace lane pause summarize--gpu --for 30m\n",
	 pause_flags, 1, 1, run_pause},
	{"lane resume", "LANE", "end its pause", "examples:\n  millrace lane resume summarize\n", NULL,
	 1, 1, run_resume},
	{"lane limit", "LANE [--depth N] [--rate R] [--concurrency N] [--per-key N]",
	 "limit what may wait and run",
	 "Each value may be 'none'. What is not given stays as it is.\n\n"
	 "examples:\n"
	 "  millrace lane limit api_caller --rate 50               at most 50 begun a second\n"
	 "  millrace lane limit summarize--gpu --concurrency 4     at most 4 at once\n"
	 "  millrace lane limit render --per-key 1                 one at a time for each "
	 "Task-Project\n"
	 "  millrace lane limit render --per-key none --depth 10000\n",
	 limit_flags, 1, 1, run_limit},
	{"lane purge", "LANE [--yes]", "cancel all tasks that wait on it",
	 "Each of them ends as cancelled, with its row and body kept. What runs is not touched, nor is "
	 "what waits for\n"
	 "its time. Nodes take nothing of the lane until it is done.\n\n"
	 "examples:\n"
	 "  millrace lane purge thumbnails\n"
	 "  millrace lane purge thumbnails --yes --json | jq .cancelled\n",
	 purge_flags, 1, 1, run_purge},
	{0},
};

static const struct cli_column columns[] = {
	{"lane", "name", CELL_TEXT},
	{"paused", "paused", CELL_TEXT},
	{"reason", "reason", CELL_TEXT},
	{"until", "until_at", CELL_TEXT},
	{"depth", "limit", CELL_NUMBER},
	{"rate a second", "rate_per_s", CELL_NUMBER},
	{"concurrency", "concurrency", CELL_NUMBER},
	{"per key", "key_concurrency", CELL_NUMBER},
};

static const struct cli_column purged_columns[] = {
	{"lane", "name", CELL_TEXT},
	{"cancelled", "cancelled", CELL_NUMBER},
};

/* Who asks, for the router's log. */
static json_t *asker(void)
{
	uv_passwd_t who;
	char host[65] = "";
	json_t *j;

	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	if (uv_os_get_passwd(&who) != 0)
		return json_sprintf("?@%s", host);
	j = json_sprintf("%s@%s", who.username, host);
	uv_os_free_passwd(&who);
	return j;
}

static json_t *request_for(const char *lane)
{
	return json_pack("{s:s, s:o}", "name", lane, "by", asker());
}

/* Takes request. Prints what is set by now. */
static int change(struct cli *c, const char *subject, const char *lane, json_t *request)
{
	struct err e = {0};
	json_t *answer;
	int rc = cli_call(c, subject, request, &answer, &e);

	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	if (!json_is_true(json_object_get(answer, "known")))
		cli_say(c, "there is no lane %s yet; this holds once its first task comes", lane);
	cli_print_record(c, columns, ARRAY_LEN(columns), answer);
	json_decref(answer);
	return EXIT_OK;
}

static int lane_ok(const char *name, struct err *e)
{
	struct lane parsed;

	return lane_parse(name, &parsed, e);
}

static int run_pause(struct cli *c, int argc, char **argv)
{
	const char *span = cli_value(c, "for"), *until = cli_value(c, "until"),
			   *reason = cli_value(c, "reason");
	int64_t ns = 0;
	struct err e = {0};

	(void)argc;
	if (lane_ok(argv[0], &e) || cli_duration(c, "for", &ns, &e))
		return cli_fail(c, &e);
	if (until && time_parse(until, &ns, &e)) {
		err_wrap(&e, "--until");
		return cli_fail(c, &e);
	}
	if (span && until)
		return cli_usage(c, "--for and --until: give one of them");

	json_t *request = request_for(argv[0]);
	if (reason)
		json_object_set_new(request, "reason", json_string(reason));
	if (span)
		json_object_set_new(request, "duration", json_string(span));
	if (until)
		json_object_set_new(request, "until_at", json_string(until));
	return change(c, "api.lane.pause", argv[0], request);
}

static int run_resume(struct cli *c, int argc, char **argv)
{
	struct err e = {0};

	(void)argc;
	if (lane_ok(argv[0], &e))
		return cli_fail(c, &e);
	return change(c, "api.lane.resume", argv[0], request_for(argv[0]));
}

/* One limit into the request; "none" takes it away. */
static int add_limit(const struct cli *c, const char *flag, const char *key, json_t *request,
					 struct err *e)
{
	const char *text = cli_value(c, flag);
	int64_t n = 0;
	char *end;

	if (!text)
		return 0;
	if (str_eq(text, "none")) {
		json_array_append_new(json_object_get(request, "clear"), json_string(key));
		return 0;
	}
	if (str_eq(flag, "rate")) {
		double rate = strtod(text, &end);
		if (end == text || *end || !(rate > 0) || rate > 1e6)
			return err_set(e, ERR_INVALID,
						   "--rate: \"%s\" should be a number above 0, at most 1000000, or none", text);
		json_object_set_new(request, key, json_real(rate));
		return 0;
	}
	if (cli_number(c, flag, 1, str_eq(flag, "depth") ? INT64_MAX : 1000000, &n, e))
		return err_wrap(e, "a limit, or none");
	json_object_set_new(request, key, json_integer(n));
	return 0;
}

static int run_limit(struct cli *c, int argc, char **argv)
{
	json_t *request = request_for(argv[0]);
	struct err e = {0};

	(void)argc;
	json_object_set_new(request, "clear", json_array());
	if (lane_ok(argv[0], &e) || add_limit(c, "depth", "limit", request, &e) ||
		add_limit(c, "rate", "rate_per_s", request, &e) ||
		add_limit(c, "concurrency", "concurrency", request, &e) ||
		add_limit(c, "per-key", "key_concurrency", request, &e)) {
		json_decref(request);
		return cli_fail(c, &e);
	}
	if (json_object_size(request) == 3 && json_array_size(json_object_get(request, "clear")) == 0) {
		json_decref(request);
		return cli_usage(c, "which limit? --depth, --rate, --concurrency or --per-key");
	}
	return change(c, "api.lane.limit", argv[0], request);
}

/* ---- purge ---- */

static bool confirmed(const struct cli *c, const char *lane)
{
	char answer[16];

	if (cli_has(c, "yes"))
		return true;
	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr, "Cancel all tasks that wait on lane %s? [y/N] ", lane);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static int get_lane(struct cli *c, const char *name, json_t **ret, struct err *e)
{
	json_t *request = json_pack("{s:s}", "name", name);
	int rc = cli_call(c, "api.lane.get", request, ret, e);

	json_decref(request);
	return rc;
}

/* Until a router that knows of it (of that moment, at) says that it is over. */
static int await_purge(struct cli *c, const char *name, const char *at, json_t **ret, struct err *e)
{
	int64_t said_ms = clock_mono_ms();

	for (;;) {
		bool never = false;
		int rc = get_lane(c, name, ret, e);

		if (rc)
			return rc;
		const char *known = json_string_value(json_object_get(*ret, "purged_at"));
		if (known && strcmp(known, at) >= 0 && !json_is_true(json_object_get(*ret, "purging")))
			return 0;
		if (clock_mono_ms() - said_ms > 2000) {
			said_ms = clock_mono_ms();
			cli_say(c, "%lld cancelled, %lld wait",
					(long long)json_integer_value(json_object_get(*ret, "purged")),
					(long long)json_integer_value(json_object_get(*ret, "queued")));
		}
		json_decref(*ret);
		if (cli_wait(c, &never, POLL_MS, e) == ERR_CLOSED)
			return e->code;
	}
}

static int run_purge(struct cli *c, int argc, char **argv)
{
	json_t *request, *answer, *lane;
	struct err e = {0};
	json_int_t cancelled = 0;

	(void)argc;
	if (lane_ok(argv[0], &e))
		return cli_fail(c, &e);
	if (!confirmed(c, argv[0]))
		return cli_usage(c, "nothing was cancelled; say --yes to purge lane %s", argv[0]);
	request = request_for(argv[0]);
	int rc = cli_call(c, "api.lane.purge", request, &answer, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	const char *at = json_string_value(json_object_get(answer, "purged_at"));
	if (at && json_is_true(json_object_get(answer, "purging"))) {
		rc = await_purge(c, argv[0], at, &lane, &e);
		if (rc == ERR_CLOSED)
			cli_say(c, "it goes on without us; 'millrace lane show %s' tells", argv[0]);
		if (rc) {
			json_decref(answer);
			return cli_fail(c, &e);
		}
		cancelled = json_integer_value(json_object_get(lane, "purged"));
		json_decref(lane);
	}
	json_decref(answer);
	json_t *out = json_pack("{s:s, s:I}", "name", argv[0], "cancelled", cancelled);
	cli_print_record(c, purged_columns, ARRAY_LEN(purged_columns), out);
	json_decref(out);
	return EXIT_OK;
}
