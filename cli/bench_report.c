/* Putting figures together and printing them; nothing is measured here. */
#include "cli/bench_report.h"

#include <math.h>
#include <stdio.h>

static void set_ms(json_t *out, const char *prefix, const char *name, double ms)
{
	CLEANUP(free_ptr) char *key = xasprintf("%s%s", prefix, name);

	/* JSON has no NaN. */
	json_object_set_new(out, key, isnan(ms) ? json_null() : json_real(round(ms * 1000) / 1000));
}

void report_errors(json_t *out, const struct flow_result *r)
{
	json_int_t before = json_integer_value(json_object_get(out, "errors"));

	json_object_set_new(out, "errors", json_integer(before + (json_int_t)r->errors));
	if (before == 0 && r->errors > 0)
		json_object_set_new(out, "error", json_string(r->first_error));
}

void report_rate(json_t *out, const struct flow_result *r, size_t tasks)
{
	json_object_set_new(out, "tasks", json_integer((json_int_t)tasks));
	json_object_set_new(out, "seconds", json_real(round(r->seconds * 1000) / 1000));
	json_object_set_new(out, "tasks_per_s", json_real(round((double)tasks / MAX_OF(r->seconds, 1e-9))));
	report_errors(out, r);
}

void report_latency(json_t *out, const char *prefix, struct samples *s)
{
	static const struct {
		const char *name;
		double fraction;
	} points[] = {
		{"p50_ms", 0.5}, {"p95_ms", 0.95}, {"p99_ms", 0.99}, {"p999_ms", 0.999}, {"max_ms", 1.0}};

	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		set_ms(out, prefix, points[i].name, samples_ms(s, points[i].fraction));
}

void report_starts(json_t *out, int64_t rows, const double ms[3])
{
	json_object_set_new(out, "rows", json_integer((json_int_t)rows));
	set_ms(out, "start_", "p50_ms", ms[0]);
	set_ms(out, "start_", "p95_ms", ms[1]);
	set_ms(out, "start_", "p99_ms", ms[2]);
}

static void print_parts(const char *title, const json_t *parts, const char *unit)
{
	const char *name;
	const json_t *v;
	double sum = 0;

	if (!json_is_object(parts) || json_object_size(parts) == 0)
		return;
	printf("%-22s", title);
	json_object_foreach((json_t *)(uintptr_t)parts, name, v)
	{
		printf(" %s %.1f", name, json_number_value(v));
		sum += json_number_value(v);
	}
	printf("  (sum %.1f %s)\n", sum, unit);
}

static void print_latency(const json_t *out, const char *title, const char *prefix)
{
	static const char *const points[] = {"p50", "p95", "p99", "p999", "max"};
	bool any = false;

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		CLEANUP(free_ptr) char *key = xasprintf("%s%s_ms", prefix, points[i]);
		const json_t *v = json_object_get(out, key);

		if (!json_is_number(v))
			continue;
		if (!any)
			printf("%-22s", title);
		printf(" %s %.2f", points[i], json_number_value(v));
		any = true;
	}
	if (any)
		printf(" ms\n");
}

static void print_ratio(const json_t *out, const char *title, const char *key)
{
	double other = json_number_value(json_object_get(out, key));
	double ours = json_number_value(json_object_get(out, "tasks_per_s"));

	if (other > 0)
		printf("%-22s %.0f/s  (ours is %.0f %% of it)\n", title, other, 100 * ours / other);
}

void report_print(const struct cli *c, const json_t *out)
{
	bool latency = json_object_get(out, "run_p50_ms") != NULL;
	const json_t *v;

	if (c->config.json) {
		cli_print_json(out);
		return;
	}
	printf("%-22s %.0f/s  (%lld tasks in %.2f s)\n", "tasks",
	       json_number_value(json_object_get(out, "tasks_per_s")),
	       (long long)json_integer_value(json_object_get(out, "tasks")),
	       json_number_value(json_object_get(out, "seconds")));
	v = json_object_get(out, "rows");
	if (v)
		printf("%-22s %lld\n", "committed rows", (long long)json_integer_value(v));
	v = json_object_get(out, "idle_tasks_per_s");
	if (v)
		printf("%-22s %.0f/s  (now %.0f %% of it)\n", "in the idle system", json_number_value(v),
		       json_number_value(json_object_get(out, "of_idle_percent")));
	v = json_object_get(out, "all_lanes_tasks_per_s");
	if (v)
		printf("%-22s %.0f/s\n", "all lanes in turn", json_number_value(v));
	printf("%-22s %lld", "errors", (long long)json_integer_value(json_object_get(out, "errors")));
	v = json_object_get(out, "error");
	printf("%s%s\n", v ? "  first: " : "", v ? json_string_value(v) : "");
	print_latency(out, "submit to PubAck", "ack_");
	print_latency(out, "submit to start", "start_");
	print_latency(out, str_eq(json_string_value(json_object_get(out, "bench")), "submit")
	                       ? "submit to PubAck"
	                       : "submit to stored row",
	              "");
	print_latency(out, "  in the idle system", "idle_");
	print_latency(out, "  all lanes in turn", "all_lanes_");
	if (latency)
		print_latency(out, "run.echo to result", "run_");
	print_parts("CPU a task, µs", json_object_get(out, "cpu_us_per_task"), "µs");
	print_parts("memory, MiB", json_object_get(out, "rss_mib"), "MiB");
	print_parts("  in the idle system", json_object_get(out, "rss_mib_idle"), "MiB");
	print_parts("  after 10,000 tasks", json_object_get(out, "rss_mib_at_10000"), "MiB");
	v = json_object_get(out, "fsync_us");
	if (v)
		printf("%-22s %.0f µs\n", "fsync of the disk", json_number_value(v));
	print_ratio(out, "the broker alone", "broker_only_per_s");
	print_ratio(out, "bare pipeline", "bare_pipeline_per_s");
}
