/*
 * `millrace bench users`: the stress scenarios over HTTP. It stands alone
 * because it measures the gateway as its users meet it, and anybody's: by its
 * address. Without one it starts a system of its own, as the other benches do.
 *
 * Goes well: a row for each scenario, exit 0 where all keep the promise, else
 * 1. Fails: nobody answers at the address (5), too few descriptors (2).
 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/bench_home.h"
#include "cli/bench_usage.h"
#include "cli/users_load.h"
#include "cli/users_report.h"

#define SCENARIOS_MAX 16
#define TOKEN_MAX_BYTES 4096

struct bench {
	struct cli *cli;
	struct users_scenario scenarios[SCENARIOS_MAX];
	size_t n;
	int64_t think_ns;
	char *url, *token;
	struct bench_home home;
	bool own; /* home is open */
	json_t *reports;
};

static int run_users(struct cli *c, int argc, char **argv);

static const struct cli_flag flags[] = {
	{.name = "scenario",
	 .value = "NAME",
	 .help = "100, 500, 1000, spike or endurance; may be repeated (default: all five)"},
	{.name = "users", .value = "N", .help = "so many users instead, for --duration"},
	{.name = "duration", .value = "D", .help = "how long --users are there (default 60s)"},
	{.name = "time-scale",
	 .value = "F",
	 .help = "every scenario in so much of its time: 0.1 is a tenth (default 1)"},
	{.name = "think", .value = "D", .help = "between a result and the next task (default 1s)"},
	{.name = "url",
	 .value = "URL",
	 .help = "the gateway's address (default MILLRACE_HTTP, else a system of its own)"},
	{.name = "token-file",
	 .value = "FILE",
	 .help = "with a token that may submit and read, where it wants one"},
	{.name = "dir",
	 .value = "D",
	 .help = "measure the millrace dev that runs in D, else start one there for the run"},
	{.name = "nodes", .value = "N", .help = "nodes of the system that is started (default 2)"},
	{.name = "slots", .value = "N", .help = "tasks that each of them runs at once (default 512)"},
	{0},
};

const struct cli_command commands_bench_users[] = {
	{.name = "bench users",
	 .usage = "[--scenario NAME]… [--users N --duration D] [--time-scale F] [--url URL | --dir D]",
	 .help = "stress scenarios over HTTP: users who submit, wait for the result, think, and again",
	 .text = "100: 100 users for 60 s; 500 for 120 s; 1000 for 180 s; spike: 2000 at once for 60 "
			 "s; endurance: 300 for "
			 "300 s.\n"
			 "Reports percentiles, throughput, errors, refusals and whether the promise is kept "
			 "(P95 < 500 ms, errors < 1 "
			 "%,\n"
			 "success > 99 %, recovery < 10 s, uptime 99 %); exit 1 where it is not.\n"
			 "examples:\n"
			 "  millrace bench users --time-scale 0.1\n"
			 "  millrace bench users --scenario spike --url http://127.0.0.1:8080\n"
			 "  millrace bench users --users 50 --duration 10s --json | jq .p95_ms\n",
	 .flags = flags,
	 .run = run_users},
	{0},
};

/* ---- what is wanted ---- */

static int read_scale(const struct cli *c, double *ret, struct err *e)
{
	const char *text = cli_value(c, "time-scale");
	char *end;

	*ret = 1;
	if (!text)
		return 0;
	*ret = strtod(text, &end);
	if (*end || !(*ret > 0 && *ret <= 100))
		return err_set(e, ERR_INVALID, "--time-scale: '%s' is no number above 0 and up to 100",
					   text);
	return 0;
}

static int read_scenarios(struct bench *b, struct err *e)
{
	const struct cli *c = b->cli;
	int64_t users = 0, duration_ns = 60 * NS_PER_S;
	const char *name;

	if (cli_number(c, "users", 1, 100000, &users, e) ||
		cli_duration(c, "duration", &duration_ns, e))
		return e->code;
	if (users && cli_has(c, "scenario"))
		return err_set(e, ERR_INVALID, "--users is a scenario of its own: without --scenario");
	if (!users && cli_has(c, "duration"))
		return err_set(e, ERR_INVALID,
					   "--duration is for --users; --time-scale shortens scenarios");
	if (duration_ns < NS_PER_S)
		return err_set(e, ERR_INVALID, "--duration: 1s is the shortest");
	if (users)
		b->scenarios[b->n++] = users_scenario_own((unsigned)users, duration_ns);
	for (size_t i = 0; (name = cli_value_nth(c, "scenario", i)); i++) {
		if (b->n == SCENARIOS_MAX)
			return err_set(e, ERR_INVALID, "--scenario: %d are the most at once", SCENARIOS_MAX);
		if (users_scenario_find(name, &b->scenarios[b->n++], e))
			return e->code;
	}
	for (size_t i = 0; !users && !cli_has(c, "scenario") && users_scenario(i); i++)
		b->scenarios[b->n++] = *users_scenario(i);
	return 0;
}

static int read_token(struct bench *b, struct err *e)
{
	const char *path = cli_value(b->cli, "token-file");
	char text[TOKEN_MAX_BYTES];
	FILE *f;
	size_t len;

	if (!path)
		return 0;
	f = fopen(path, "re");
	len = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	while (len > 0 && (unsigned char)text[len - 1] <= ' ')
		len--;
	text[len] = '\0';
	if (len == 0 || strpbrk(text, "\r\n"))
		return err_set(e, ERR_INVALID, "--token-file: %s holds no token of one line", path);
	b->token = xstrdup(text);
	return 0;
}

static int read_flags(struct bench *b, struct err *e)
{
	double scale;
	unsigned most = 0;

	b->think_ns = NS_PER_S;
	if (read_scale(b->cli, &scale, e) || read_scenarios(b, e) || read_token(b, e) ||
		cli_duration(b->cli, "think", &b->think_ns, e))
		return e->code;
	for (size_t i = 0; i < b->n; i++) {
		b->scenarios[i] = users_scenario_scale(&b->scenarios[i], scale);
		most = MAX_OF(most, b->scenarios[i].users);
	}
	/* Before a system is started: it gets the limit from us. */
	return users_raise_limit(most, e);
}

/* ---- where ---- */

static int find_gateway(struct bench *b, struct err *e)
{
	const char *url = cli_value(b->cli, "url");
	const char *known;

	if (!url && !cli_has(b->cli, "dir"))
		url = b->cli->config.http && b->cli->config.http[0] ? b->cli->config.http : NULL;
	if (url) {
		b->url = xstrdup(url);
		return 0;
	}
	b->home = (struct bench_home){.gateway = true};
	if (bench_home_open(b->cli, &b->home, e))
		return e->code;
	b->own = true;
	known = json_string_value(json_object_get(b->home.record, "http_url"));
	if (!known || !*known)
		return err_set(e, ERR_NOT_FOUND, "the system in %s has no gateway", b->home.dir);
	b->url = xstrdup(known);
	return 0;
}

/* ---- a run ---- */

static int measure(struct bench *b, const struct users_scenario *s, struct err *e)
{
	const struct users_spec spec = {
		.url = b->url, .token = b->token, .scenario = *s, .think_ns = b->think_ns};
	struct usage before = {0}, after = {0};
	struct users_tally tally;
	json_t *report;

	cli_say(b->cli, "bench: %s (%u users, %.0f s) at %s", s->what, s->users,
			(double)s->duration_ns / NS_PER_S, b->url);
	usage_take(b->own ? bench_home_components(&b->home) : NULL, &before);
	if (users_load_run(b->cli, &spec, &tally, e))
		return e->code;
	usage_take(b->own ? bench_home_components(&b->home) : NULL, &after);
	report = users_report(s, &tally);
	if (after.n) {
		double tasks = (double)MAX_OF(tally.completed, (size_t)1);
		json_object_set_new(report, "cpu_us_per_task", usage_cpu_json(&before, &after, tasks));
		json_object_set_new(report, "rss_mib", usage_rss_json(&after));
	}
	users_tally_release(&tally);
	if (b->cli->config.json)
		cli_print_json(report);
	json_array_append_new(b->reports, report);
	return 0;
}

static bool all_kept(const json_t *reports)
{
	const json_t *r;
	size_t i;

	json_array_foreach (reports, i, r) {
		if (!json_is_true(json_object_get(json_object_get(r, "sla"), "ok")))
			return false;
	}
	return true;
}

static int run_users(struct cli *c, int argc, char **argv)
{
	struct bench b = {.cli = c, .reports = json_array()};
	struct err e = {0};
	int code = EXIT_OK;

	(void)argc;
	(void)argv;
	int rc = read_flags(&b, &e);
	if (!rc)
		rc = find_gateway(&b, &e);
	for (size_t i = 0; !rc && i < b.n; i++)
		rc = measure(&b, &b.scenarios[i], &e);
	/* What was measured is worth telling, whatever ended the rest. */
	if (json_array_size(b.reports) && !c->config.json)
		users_report_print(c, b.reports);
	if (rc)
		code = cli_fail(c, &e);
	else if (!all_kept(b.reports))
		code = EXIT_FAILED;
	if (b.own)
		bench_home_close(&b.home);
	json_decref(b.reports);
	free(b.url);
	free(b.token);
	return code;
}
