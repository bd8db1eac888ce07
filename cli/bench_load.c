/*
 * `millrace bench backlog|scheduled|lanes`: what a small lane feels of what
 * lies beside it. Each measures one lane in a system that has nothing else to
 * do, then puts the load there (a million tasks that wait, or whose time has
 * not come; five hundred lanes), and measures the same again. Goes well: both sets of figures, side by side.
 * Fails: as the other benches, with what went wrong; a load that does not
 * come to rest in time is an error.
 */
#include <math.h>
#include <stdio.h>

#include "cli/bench_flow.h"
#include "cli/bench_home.h"
#include "cli/bench_report.h"
#include "cli/bench_usage.h"
#include "cli/cli.h"

#define WARM_UP 4000
#define BACKLOG_TYPE "backlog"
#define LANES_TYPE "lane"
#define SCHEDULED_TYPE "later"
/* The first of them is due when the bench is long over. */
#define SCHEDULED_FROM_S 3600
#define SCHEDULED_TO_S (11 * 3600)
#define REST_TIMEOUT_MS 600000
#define LOOK_MS 200

struct load_options {
	int64_t backlog, scheduled, lanes, count, size, inflight, rate, duration_ns, rest_ns;
};

static int read_options(const struct cli *c, struct load_options *o, struct err *e)
{
	if (cli_number(c, "backlog", 1, 2000000, &o->backlog, e) ||
		cli_number(c, "scheduled", 1, 2000000, &o->scheduled, e) ||
		cli_number(c, "lanes", 1, 1000, &o->lanes, e) ||
		cli_number(c, "count", 1, 100000000, &o->count, e) ||
		cli_number(c, "size", 0, 1 << 20, &o->size, e) ||
		cli_number(c, "inflight", 1, 60000, &o->inflight, e) ||
		cli_number(c, "rate", 1, 1000000, &o->rate, e) ||
		cli_duration(c, "duration", &o->duration_ns, e) || cli_duration(c, "rest", &o->rest_ns, e))
		return e->code;
	return 0;
}

static struct flow_spec spec_of(const struct load_options *o, const char *type, size_t count,
								const char *label)
{
	return (struct flow_spec){
		.type = type,
		.count = count,
		.size_bytes = (size_t)o->size,
		.inflight = (unsigned)o->inflight,
		.label = label,
	};
}

static int run_flow(struct cli *c, const struct flow_spec *s, struct flow_result *r, struct err *e)
{
	if (flow_run(c, s, r, e))
		return e->code;
	if (r->errors == 0)
		return 0;
	err_set(e, ERR_FAILED, "%s: %zu of %zu tasks failed: %s", s->label, r->errors, s->count,
			r->first_error);
	flow_result_release(r);
	return e->code;
}

/* ---- the small lane ---- */

static void set_rate(json_t *out, const char *prefix, const struct flow_result *r, size_t n)
{
	CLEANUP(free_ptr) char *key = xasprintf("%stasks_per_s", prefix);

	json_object_set_new(out, key, json_real(round((double)n / MAX_OF(r->seconds, 1e-9))));
}

/* As fast as it goes, then at a steady rate: <prefix>tasks_per_s, <prefix>p50_ms and so on. */
static int measure_small(struct bench_home *h, const struct load_options *o, const char *prefix,
						 json_t *out, struct err *e)
{
	struct flow_spec s = spec_of(o, "echo", (size_t)o->count, "the small lane");
	struct flow_result r;

	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	set_rate(out, prefix, &r, s.count);
	if (str_eq(prefix, ""))
		report_rate(out, &r, s.count);
	flow_result_release(&r);
	s.label = "the small lane at a steady rate";
	s.rate_per_s = (double)o->rate;
	s.count = (size_t)MAX_OF(s.rate_per_s * (double)o->duration_ns / NS_PER_S, 1);
	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	report_latency(out, prefix, &r.end);
	flow_result_release(&r);
	return 0;
}

/* Twice, for memory and caches to have their working size; the second counts. */
static int measure_idle(struct bench_home *h, const struct load_options *o, json_t *out,
						struct err *e)
{
	struct flow_spec s = spec_of(o, "echo", WARM_UP, "warm-up");
	struct flow_result r;
	struct usage u;

	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	flow_result_release(&r);
	for (int i = 0; i < 2; i++) {
		if (measure_small(h, o, "idle_", out, e))
			return e->code;
	}
	usage_take(bench_home_components(h), &u);
	json_object_set_new(out, "rss_mib_idle", usage_rss_json(&u));
	return 0;
}

/* What a burst leaves to do: ids in the broker's windows (30 s), the database's own housekeeping. */
static int rest(struct bench_home *h, const struct load_options *o, struct err *e)
{
	bool never = false;

	cli_say(h->cli, "bench: the system rests");
	if (cli_wait(h->cli, &never, o->rest_ns / NS_PER_MS, e) == ERR_CLOSED)
		return e->code;
	*e = (struct err){0};
	return 0;
}

static int measure_beside(struct bench_home *h, const struct load_options *o, json_t *out,
						  struct err *e)
{
	struct usage before, after;
	double idle = json_number_value(json_object_get(out, "idle_tasks_per_s"));

	if (rest(h, o, e))
		return e->code;
	usage_take(bench_home_components(h), &before);
	if (measure_small(h, o, "", out, e))
		return e->code;
	usage_take(bench_home_components(h), &after);
	double tasks = (double)o->count + (double)o->rate * (double)o->duration_ns / NS_PER_S;
	json_object_set_new(out, "cpu_us_per_task", usage_cpu_json(&before, &after, tasks));
	json_object_set_new(out, "rss_mib", usage_rss_json(&after));
	if (idle > 0)
		json_object_set_new(
			out, "of_idle_percent",
			json_real(round(100 * json_number_value(json_object_get(out, "tasks_per_s")) / idle)));
	if (h->dir)
		json_object_set_new(out, "fsync_us", json_real(round(bench_fsync_us(h->dir))));
	return 0;
}

/* ---- until all is where it belongs ---- */

static int64_t messages_of(struct cli *c, const char *stream, struct err *e)
{
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.INFO.%s", stream);
	json_t *info = NULL;

	if (cli_js_api(c, verb, NULL, &info, NULL, e))
		return e->code;
	json_int_t n = json_integer_value(json_object_get(json_object_get(info, "state"), "messages"));
	json_decref(info);
	return n;
}

/* Tasks have left TASKS, and what is to be recorded of them is. */
static int await_rest(struct cli *c, struct err *e)
{
	static const char *const streams[] = {"TASKS", "EVENTS"};
	int64_t until_ms = clock_mono_ms() + REST_TIMEOUT_MS, said_ms = clock_mono_ms();

	for (size_t i = 0; i < ARRAY_LEN(streams);) {
		bool never = false;
		int64_t n = messages_of(c, streams[i], e);
		if (n < 0)
			return e->code;
		if (n == 0) {
			i++;
			continue;
		}
		if (clock_mono_ms() > until_ms)
			return err_set(e, ERR_TIMEOUT, "%lld messages are still in %s", (long long)n,
						   streams[i]);
		if (clock_mono_ms() - said_ms > 2000) {
			said_ms = clock_mono_ms();
			cli_say(c, "bench: %lld messages are still in %s", (long long)n, streams[i]);
		}
		if (cli_wait(c, &never, LOOK_MS, e) == ERR_CLOSED)
			return e->code;
	}
	return 0;
}

/* ---- backlog ---- */

static int tell_lane(struct cli *c, const char *verb, struct err *e)
{
	CLEANUP(free_ptr) char *subject = xasprintf("api.lane.%s", verb);
	json_t *request = json_pack("{s:s, s:s}", "name", BACKLOG_TYPE, "by", "millrace bench"),
		   *answer;
	int rc = cli_call(c, subject, request, &answer, e);

	json_decref(request);
	if (rc == 0)
		json_decref(answer);
	return rc;
}

/* Submits them, and waits until *stream* holds them all. */
static int fill(struct bench_home *h, struct flow_spec s, const char *stream, const char *key,
				json_t *out, struct err *e)
{
	struct flow_result r;

	s.acks_only = true;
	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	json_object_set_new(out, "submits_per_s",
						json_real(round((double)s.count / MAX_OF(r.seconds, 1e-9))));
	flow_result_release(&r);
	if (await_rest(h->cli, e))
		return e->code;
	int64_t waiting = messages_of(h->cli, stream, e);
	if (waiting < 0)
		return e->code;
	json_object_set_new(out, key, json_integer(waiting));
	if (waiting < (int64_t)s.count)
		return err_set(e, ERR_FAILED, "only %lld of %zu tasks wait in %s", (long long)waiting,
					   s.count, stream);
	return 0;
}

static int measure_backlog(struct bench_home *h, const struct load_options *o, json_t *out,
						   struct err *e)
{
	struct err ignored;

	if (measure_idle(h, o, out, e) || tell_lane(h->cli, "pause", e))
		return e->code;
	int rc = fill(h, spec_of(o, BACKLOG_TYPE, (size_t)o->backlog, "the backlog"),
				  "LANE_" BACKLOG_TYPE, "backlog", out, e);
	if (rc == 0)
		rc = measure_beside(h, o, out, e);
	/* A system that goes on is left as it was. */
	if (!h->supervisor &&
		(tell_lane(h->cli, "purge", &ignored) || tell_lane(h->cli, "resume", &ignored)))
		cli_say(h->cli, "bench: lane " BACKLOG_TYPE " is still full or paused: %s", ignored.text);
	return rc;
}

/* ---- scheduled ---- */

static int measure_scheduled(struct bench_home *h, const struct load_options *o, json_t *out,
							 struct err *e)
{
	struct flow_spec s = spec_of(o, SCHEDULED_TYPE, (size_t)o->scheduled, "the scheduled tasks");

	s.from_s = SCHEDULED_FROM_S;
	s.to_s = SCHEDULED_TO_S;
	if (measure_idle(h, o, out, e) || fill(h, s, "DELAYED", "scheduled", out, e))
		return e->code;
	return measure_beside(h, o, out, e);
}

/* ---- lanes ---- */

static int measure_lanes(struct bench_home *h, const struct load_options *o, json_t *out,
						 struct err *e)
{
	struct flow_spec s = spec_of(o, LANES_TYPE, (size_t)o->lanes * 4, "making the lanes");
	struct flow_result r;

	if (measure_idle(h, o, out, e))
		return e->code;
	s.lanes = (size_t)o->lanes;
	s.inflight = 64;
	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	json_object_set_new(out, "lanes", json_integer(o->lanes));
	json_object_set_new(out, "making_s", json_real(round(r.seconds * 1000) / 1000));
	flow_result_release(&r);
	s = spec_of(o, LANES_TYPE, (size_t)o->count, "all lanes in turn");
	s.lanes = (size_t)o->lanes;
	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	set_rate(out, "all_lanes_", &r, s.count);
	flow_result_release(&r);
	s.rate_per_s = (double)o->rate;
	s.count = (size_t)MAX_OF(s.rate_per_s * (double)o->duration_ns / NS_PER_S, 1);
	if (run_flow(h->cli, &s, &r, e))
		return e->code;
	report_latency(out, "all_lanes_", &r.end);
	flow_result_release(&r);
	if (await_rest(h->cli, e))
		return e->code;
	return measure_beside(h, o, out, e);
}

/* ---- the commands ---- */

static int run(struct cli *c, const char *name, size_t lanes, struct load_options o,
			   int (*measure)(struct bench_home *, const struct load_options *, json_t *,
							  struct err *))
{
	struct bench_home h = {0};
	struct err e = {0};
	json_t *out = json_pack("{s:s}", "bench", name);
	int code = EXIT_OK;

	if (read_options(c, &o, &e)) {
		json_decref(out);
		return cli_fail(c, &e);
	}
	h.lanes = lanes ? (size_t)o.lanes : 0;
	if (bench_home_open(c, &h, &e)) {
		json_decref(out);
		return cli_fail(c, &e);
	}
	if (measure(&h, &o, out, &e))
		code = cli_fail(c, &e);
	else
		report_print(c, out);
	bench_home_close(&h);
	json_decref(out);
	return code;
}

static const struct load_options defaults = {
	.backlog = 1000000,
	.scheduled = 1000000,
	.lanes = 500,
	.count = 100000,
	.size = 200,
	.inflight = 4096,
	.rate = 1000,
	.duration_ns = 5 * NS_PER_S,
	.rest_ns = 40 * NS_PER_S,
};

static int bench_backlog(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run(c, "backlog", 0, defaults, measure_backlog);
}

static int bench_scheduled(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run(c, "scheduled", 0, defaults, measure_scheduled);
}

static int bench_lanes(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return run(c, "lanes", 1, defaults, measure_lanes);
}

/* clang-format off */
#define SMALL_FLAGS \
	{.name = "count", .value = "N", .help = "tasks of a run as fast as it goes (default 100000)"}, \
	{.name = "rate", .value = "R", .help = "arrivals a second of a steady run (default 1000)"}, \
	{.name = "duration", .value = "D", .help = "of a steady run (default 5s)"}, \
	{.name = "size", .value = "BYTES", .help = "of each body (default 200)"}, \
	{.name = "inflight", .value = "N", .help = "tasks under way at once (default 4096)"}, \
	{.name = "rest", .value = "D", .help = "between the load and the measuring beside it (default 40s)"}
/* clang-format on */

static const struct cli_flag backlog_flags[] = {
	{.name = "backlog", .value = "N", .help = "tasks that wait (default 1000000)"},
	SMALL_FLAGS,
	BENCH_HOME_FLAGS,
	{0},
};

#define OWN_HOME_FLAGS \
	{.name = "dir", .value = "D", .help = "where the system is started (default: below .run)"}, \
	{.name = "nodes", .value = "N", .help = "nodes of that system (default 2)"}, \
	{.name = "slots", .value = "N", .help = "tasks that each of them runs at once (default 512)"}

static const struct cli_flag scheduled_flags[] = {
	{.name = "scheduled", .value = "N", .help = "tasks whose time has not come (default 1000000)"},
	SMALL_FLAGS,
	OWN_HOME_FLAGS,
	{0},
};

static const struct cli_flag lanes_flags[] = {
	{.name = "lanes", .value = "N", .help = "lanes (default 500)"},
	SMALL_FLAGS,
	OWN_HOME_FLAGS,
	{0},
};

const struct cli_command commands_bench_load[] = {
	{.name = "bench backlog",
	 .usage = "[--backlog N] [--count N] [--rate R] [--duration D] [--dir D | --url URL]",
	 .help = "a small lane beside a million tasks that wait in another",
	 .text = "Measures lane echo in an idle system (idle_*), lets N tasks wait on a paused lane, "
			 "and measures again.\n",
	 .flags = backlog_flags,
	 .run = bench_backlog},
	{.name = "bench scheduled",
	 .usage = "[--scheduled N] [--count N] [--rate R] [--duration D] [--dir D]",
	 .help = "a small lane beside a million tasks whose time has not come",
	 .text = "Measures lane echo in an idle system (idle_*), submits N tasks that are due in one to "
			 "eleven hours,\n"
			 "and measures again.\n",
	 .flags = scheduled_flags,
	 .run = bench_scheduled},
	{.name = "bench lanes",
	 .usage = "[--lanes N] [--count N] [--rate R] [--duration D] [--dir D]",
	 .help = "five hundred lanes, and a small one beside them",
	 .text = "Measures lane echo in an idle system (idle_*), makes N lanes, measures tasks for all "
			 "of them in turn\n"
			 "(all_lanes_*), and lane echo again.\n",
	 .flags = lanes_flags,
	 .run = bench_lanes},
	{0},
};
