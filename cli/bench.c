/*
 * `millrace bench`: what this machine carries, measured on the whole system
 * with committed rows counted, beside what its disk and its broker do alone.
 * Figures on stdout (with --json one object), progress on stderr.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/bench_broker.h"
#include "cli/bench_flow.h"
#include "cli/bench_home.h"
#include "cli/bench_report.h"
#include "cli/bench_usage.h"
#include "common/task.h"

#define WARM_UP 2000
#define MEMORY_MARK 10000

struct bench_options {
	int64_t count, size, inflight, rate, duration_ns;
	const char *balance;
};

static int read_options(const struct cli *c, struct bench_options *o, struct err *e)
{
	if (cli_number(c, "count", 1, 100000000, &o->count, e) != 0 ||
	    cli_number(c, "size", 0, 1 << 20, &o->size, e) != 0 ||
	    cli_number(c, "inflight", 1, 60000, &o->inflight, e) != 0 ||
	    cli_number(c, "rate", 1, 1000000, &o->rate, e) != 0 ||
	    cli_duration(c, "duration", &o->duration_ns, e) != 0)
		return e->code;
	o->balance = cli_value(c, "balance");
	enum balance balance;
	return o->balance && balance_parse(o->balance, &balance, e) ? err_wrap(e, "--balance") : 0;
}

static struct flow_spec spec_of(const struct bench_options *o, const char *label)
{
	return (struct flow_spec){
		.type = "echo",
		.count = (size_t)o->count,
		.size_bytes = (size_t)o->size,
		.inflight = (unsigned)o->inflight,
		.label = label,
		.balance = o->balance,
	};
}

/* The lane is made, caches are warm, memory has its working size. */
static int warm_up(struct cli *c, const struct bench_options *o, struct err *e)
{
	struct flow_spec s = spec_of(o, "warm-up");
	struct flow_result r;

	s.count = WARM_UP;
	s.rate_per_s = (double)o->rate; /* 0 but for latency: a burst would be felt in what follows */
	if (flow_run(c, &s, &r, e) != 0)
		return e->code;
	if (r.errors > 0)
		err_set(e, ERR_FAILED, "warm-up: %zu of %d tasks failed: %s", r.errors, WARM_UP, r.first_error);
	flow_result_release(&r);
	return e->code;
}

/* ---- pipeline ---- */

struct memory_mark {
	struct bench_home *home;
	struct usage usage;
};

static void on_mark(void *data)
{
	struct memory_mark *m = data;

	usage_take(bench_home_components(m->home), &m->usage);
}

struct rows {
	int64_t completed;
	double start_ms[3];
};

static void on_rows(void *data, struct pg_rows rows)
{
	struct rows *r = data;

	r->completed = pg_get_int(rows, 0, 0);
	for (size_t i = 0; i < 3; i++)
		r->start_ms[i] = pg_get_float(rows, 0, 1 + i);
}

/* Rows of this run that are committed, and how long their tasks waited for a node. */
static int count_rows(struct bench_home *h, const char *prefix, struct rows *ret, struct err *e)
{
	/* '-' ends the prefix, and '.' is the next character. */
	CLEANUP(free_ptr) char *upto = xstrdup(prefix);
	const struct pg_param params[] = {PG_ARG(prefix), PG_ARG(upto)};

	upto[strlen(upto) - 1] = '.';
	return bench_sql(h,
	                 "SELECT n, p[1], p[2], p[3] FROM (SELECT count(*) AS n, percentile_cont(ARRAY[0.5, 0.95, 0.99]) "
	                 "WITHIN GROUP (ORDER BY extract(epoch FROM started_at - submitted_at)::float8 * 1000) AS p "
	                 "FROM millrace.tasks WHERE id >= $1 AND id < $2 AND state = 4) AS q",
	                 params, ARRAY_LEN(params), on_rows, ret, e);
}

/* Where bare_pipeline writes; of a system elsewhere a file of the moment. Returns owned. */
static char *bare_log(const struct bench_home *h, struct err *e)
{
	char *path =
		h->dir ? xasprintf("%s/log/bare.log", h->dir) : xstrdup("/tmp/millrace-bare-XXXXXX");
	int fd = h->dir ? -1 : mkostemp(path, O_CLOEXEC);

	if (!h->dir && fd < 0) {
		err_set(e, ERR_IO, "cannot make %s: %s", path, strerror(errno));
		free(path);
		return NULL;
	}
	if (fd >= 0)
		close(fd);
	return path;
}

static int compare_bare(struct bench_home *h, size_t count, size_t size, json_t *out, struct err *e)
{
	CLEANUP(free_ptr) char *log_path = bare_log(h, e);
	double per_s;
	int rc;

	if (!log_path)
		return e->code;
	cli_say(h->cli, "bench: the bare pipeline");
	rc = bench_bare_pipeline(h->cli, count, size, log_path, &per_s, e);
	if (!h->dir)
		unlink(log_path);
	if (rc == 0) {
		json_object_set_new(out, "bare_pipeline_per_s", json_real(round(per_s)));
	} else if (rc == ERR_NOT_FOUND) {
		cli_say(h->cli, "bench: %s; that figure is left out", e->text);
		*e = (struct err){0};
	}
	return e->code;
}

static int compare_with(struct bench_home *h, const struct bench_options *o, json_t *out,
						struct err *e)
{
	size_t count = (size_t)MIN_OF(o->count, 100000);
	double per_s;

	cli_say(h->cli, "bench: the broker alone");
	if (bench_broker_only(h->cli, count, (size_t)o->size, &per_s, e) != 0)
		return e->code;
	json_object_set_new(out, "broker_only_per_s", json_real(round(per_s)));
	return compare_bare(h, count, (size_t)o->size, out, e);
}

static int measure_pipeline(struct bench_home *h, const struct bench_options *o, json_t *out,
                            struct err *e)
{
	struct flow_spec s = spec_of(o, "pipeline");
	struct memory_mark mark = {.home = h};
	struct usage before, after;
	struct flow_result r;
	struct rows rows = {0};

	s.mark = MEMORY_MARK;
	s.on_mark = on_mark;
	s.data = &mark;
	if (warm_up(h->cli, o, e) != 0)
		return e->code;
	usage_take(bench_home_components(h), &before);
	if (flow_run(h->cli, &s, &r, e) != 0)
		return e->code;
	usage_take(bench_home_components(h), &after);
	if (h->pg && count_rows(h, r.prefix, &rows, e) != 0) {
		flow_result_release(&r);
		return err_wrap(e, "count rows");
	}
	if (h->pg && (size_t)rows.completed != s.count)
		r.errors = MAX_OF(r.errors, s.count - (size_t)rows.completed);
	report_rate(out, &r, s.count);
	report_latency(out, "", &r.end);
	if (h->pg)
		report_starts(out, rows.completed, rows.start_ms);
	json_object_set_new(out, "cpu_us_per_task", usage_cpu_json(&before, &after, (double)s.count));
	json_object_set_new(out, "rss_mib", usage_rss_json(&after));
	if (mark.usage.n > 0)
		json_object_set_new(out, "rss_mib_at_10000", usage_rss_json(&mark.usage));
	flow_result_release(&r);
	if (h->dir)
		json_object_set_new(out, "fsync_us", json_real(round(bench_fsync_us(h->dir))));
	return cli_has(h->cli, "alone") ? 0 : compare_with(h, o, out, e);
}

/* ---- latency ---- */

static int measure_latency(struct bench_home *h, const struct bench_options *o, json_t *out, struct err *e)
{
	struct flow_spec s = spec_of(o, "submit to stored");
	struct usage before, after;
	struct flow_result r;

	s.rate_per_s = (double)o->rate;
	s.count = (size_t)(s.rate_per_s * (double)o->duration_ns / NS_PER_S);
	if (s.count == 0)
		return err_set(e, ERR_INVALID, "rate × duration is less than one task");
	if (warm_up(h->cli, o, e) != 0)
		return e->code;
	usage_take(bench_home_components(h), &before);
	if (flow_run(h->cli, &s, &r, e) != 0)
		return e->code;
	usage_take(bench_home_components(h), &after);
	report_rate(out, &r, s.count);
	report_latency(out, "", &r.end);
	report_latency(out, "ack_", &r.ack);
	json_object_set_new(out, "cpu_us_per_task", usage_cpu_json(&before, &after, (double)s.count));
	json_object_set_new(out, "rss_mib", usage_rss_json(&after));
	flow_result_release(&r);
	s.request = true;
	s.label = "run.echo to result";
	if (flow_run(h->cli, &s, &r, e) != 0)
		return e->code;
	report_latency(out, "run_", &r.end);
	report_errors(out, &r);
	flow_result_release(&r);
	if (h->dir)
		json_object_set_new(out, "fsync_us", json_real(round(bench_fsync_us(h->dir))));
	return 0;
}

/* ---- submit ---- */

static int measure_submit(struct bench_home *h, const struct bench_options *o, json_t *out, struct err *e)
{
	struct flow_spec s = spec_of(o, "submit");
	struct flow_result r;

	s.acks_only = true;
	if (warm_up(h->cli, o, e) != 0 || flow_run(h->cli, &s, &r, e) != 0)
		return e->code;
	report_rate(out, &r, s.count);
	report_latency(out, "", &r.ack);
	flow_result_release(&r);
	return 0;
}

static int run(struct cli *c, const char *name, struct bench_options o,
               int (*measure)(struct bench_home *, const struct bench_options *, json_t *, struct err *))
{
	struct bench_home h = {0};
	struct err e = {0};
	json_t *out = json_pack("{s:s}", "bench", name);
	int code = EXIT_OK;

	if (read_options(c, &o, &e) != 0) {
		json_decref(out);
		return cli_fail(c, &e);
	}
	if (bench_home_open(c, &h, &e) != 0) {
		json_decref(out);
		return cli_fail(c, &e);
	}
	if (measure(&h, &o, out, &e) != 0)
		code = cli_fail(c, &e);
	else
		report_print(c, out);
	if (code == EXIT_OK && json_integer_value(json_object_get(out, "errors")) > 0)
		code = EXIT_FAILED;
	bench_home_close(&h);
	json_decref(out);
	return code;
}

static int bench_pipeline(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run(c, "pipeline", (struct bench_options){.count = 200000, .size = 200, .inflight = 4096},
	           measure_pipeline);
}

static int bench_latency(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run(c, "latency",
	           (struct bench_options){.count = WARM_UP,
	                                  .size = 200,
	                                  .inflight = 256,
	                                  .rate = 1000,
	                                  .duration_ns = 10 * NS_PER_S},
	           measure_latency);
}

static int bench_submit(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run(c, "submit", (struct bench_options){.count = 200000, .size = 200, .inflight = 4096},
	           measure_submit);
}

#define COUNT_FLAGS                                                            \
	{.name = "count", .value = "N", .help = "tasks (default 200000)"},         \
	{                                                                          \
		.name = "size", .value = "BYTES", .help = "of each body (default 200)" \
	}

static const struct cli_flag pipeline_flags[] = {
	COUNT_FLAGS,
	{.name = "inflight",
	 .value = "N",
	 .help = "tasks under way, not yet stored, at once (default 4096)"},
	{.name = "balance",
	 .value = "STRATEGY",
	 .help = "who chooses the nodes, as Task-Balance says it (default: the lane's rule, pull)"},
	{.name = "alone", .help = "without the figures of the broker alone and of the bare pipeline"},
	BENCH_HOME_FLAGS,
	{0},
};

static const struct cli_flag submit_flags[] = {
	COUNT_FLAGS,
	{.name = "inflight",
	 .value = "N",
	 .help = "submits not yet acknowledged at once (default 4096)"},
	BENCH_HOME_FLAGS,
	{0},
};

static const struct cli_flag latency_flags[] = {
	{.name = "rate", .value = "R", .help = "arrivals a second (default 1000)"},
	{.name = "duration", .value = "D", .help = "of each of the two parts (default 10s)"},
	{.name = "size", .value = "BYTES", .help = "of each body (default 200)"},
	BENCH_HOME_FLAGS,
	{0},
};

const struct cli_command commands_bench[] = {
	{.name = "bench pipeline",
	 .usage = "[--count N] [--size BYTES] [--inflight N] [--balance STRATEGY] [--alone] [--dir D | --url URL]",
	 .help = "tasks a second from submit to committed row",
	 .text = "Starts a system of its own, submits N tasks, waits until their rows are committed, "
			 "and tells what each\n"
			 "component cost, what the disk's fsync takes, and what broker and bare messages do by "
			 "themselves.\n",
	 .flags = pipeline_flags,
	 .run = bench_pipeline},
	{.name = "bench latency",
	 .usage = "[--rate R] [--duration D] [--size BYTES] [--dir D | --url URL]",
	 .help = "percentiles at a steady rate: submit to stored row, and run.echo to result",
	 .flags = latency_flags,
	 .run = bench_latency},
	{.name = "bench submit",
	 .usage = "[--count N] [--size BYTES] [--inflight N] [--dir D | --url URL]",
	 .help = "how fast submits are acknowledged",
	 .flags = submit_flags,
	 .run = bench_submit},
	{0},
};
