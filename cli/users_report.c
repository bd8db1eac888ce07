/*
 * Figures into a report. It stands alone because nothing is measured here,
 * and because the report says how everything in it was.
 */
#include "cli/users_report.h"

#include <math.h>
#include <stdio.h>

#include "cli/table.h"

static json_t *figure(double v, double step)
{
	return isnan(v) ? json_null() : json_real(round(v / step) * step);
}

static void set_latency(json_t *out, const char *prefix, struct samples *s)
{
	static const struct {
		const char *name;
		double fraction;
	} points[] = {{"p50_ms", 0.5}, {"p95_ms", 0.95}, {"p99_ms", 0.99}, {"max_ms", 1.0}};

	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		CLEANUP(free_ptr) char *key = xasprintf("%s%s", prefix, points[i].name);
		json_object_set_new(out, key, figure(samples_ms(s, points[i].fraction), 0.001));
	}
}

static json_t *sla_json(const struct users_verdict *v)
{
	return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b}", "ok", v->ok, "p95", v->p95, "errors",
					 v->errors, "success", v->success, "recovery", v->recovery, "uptime", v->up);
}

static json_t *old_json(const struct users_old *o)
{
	if (o->tasks_per_s <= 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "tasks_per_s", o->tasks_per_s, "p50_ms",
					 o->p50_ms, "p95_ms", o->p95_ms, "p99_ms", o->p99_ms, "error_rate",
					 o->error_rate);
}

json_t *users_report(const struct users_scenario *s, struct users_tally *t)
{
	struct users_verdict v = users_judge(t);
	json_t *out = json_pack("{s:s, s:s, s:i, s:o, s:I, s:o}", "bench", "users", "scenario", s->name,
							"users", (int)s->users, "seconds", figure(t->seconds, 0.001), "tasks",
							(json_int_t)t->completed, "tasks_per_s",
							figure((double)t->completed_in_time / t->seconds, 0.1));

	set_latency(out, "", &t->took);
	set_latency(out, "in_all_", &t->took_in_all);
	json_object_set_new(out, "errors", json_integer((json_int_t)t->errors));
	json_object_set_new(out, "unanswered", json_integer((json_int_t)t->unanswered));
	json_object_set_new(out, "error_rate", figure(v.error_rate, 0.000001));
	if (t->first_error[0]) {
		CLEANUP(buf_release) struct buf clean = {0};

		utf8_clean(t->first_error, strlen(t->first_error), &clean);
		json_object_set_new(out, "first_error", json_string(clean.data));
	}
	json_object_set_new(out, "refused_429", json_integer((json_int_t)t->refused_429));
	json_object_set_new(out, "refused_503", json_integer((json_int_t)t->refused_503));
	json_object_set_new(out, "given_up", json_integer((json_int_t)t->given_up));
	json_object_set_new(out, "success_rate", figure(v.success_rate, 0.000001));
	json_object_set_new(out, "recovery_s", figure(t->recovery_s, 0.001));
	json_object_set_new(out, "uptime", figure(v.uptime, 0.000001));
	json_object_set_new(out, "sla", sla_json(&v));
	json_object_set_new(out, "old", old_json(&s->old));
	return out;
}

/* ---- for people ---- */

static double real(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : NAN;
}

static void add(struct table *t, int decimals, double v, const char *paint)
{
	char text[48];

	if (isnan(v))
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), "%.*f", decimals, v);
	table_add(t, text, paint);
}

static const char *paint_of(const struct cli *c, const json_t *sla, const char *key)
{
	const json_t *kept = json_object_get(sla, key);

	return !c->color || !kept ? NULL : json_is_true(kept) ? "\x1b[32m" : "\x1b[31m";
}

static void add_row(const struct cli *c, struct table *t, const json_t *r)
{
	const json_t *sla = json_object_get(r, "sla"), *old = json_object_get(r, "old");
	double refused = real(r, "refused_429") + real(r, "refused_503");

	table_add(t, json_string_value(json_object_get(r, "scenario")), NULL);
	add(t, 0, real(r, "users"), NULL);
	add(t, 0, real(r, "seconds"), NULL);
	add(t, 0, real(r, "tasks"), NULL);
	add(t, 0, real(r, "tasks_per_s"), NULL);
	add(t, 1, real(r, "p50_ms"), NULL);
	add(t, 1, real(r, "p95_ms"), paint_of(c, sla, "p95"));
	add(t, 1, real(r, "p99_ms"), NULL);
	add(t, 2, 100 * real(r, "error_rate"), paint_of(c, sla, "errors"));
	add(t, 0, refused, NULL);
	add(t, 2, 100 * real(r, "success_rate"), paint_of(c, sla, "success"));
	add(t, 1, real(r, "recovery_s"), paint_of(c, sla, "recovery"));
	add(t, 1, 100 * real(r, "uptime"), paint_of(c, sla, "uptime"));
	table_add(t, json_is_true(json_object_get(sla, "ok")) ? "kept" : "BROKEN",
			  paint_of(c, sla, "ok"));
	if (!json_is_object(old))
		return;
	table_add(t, "  before", NULL);
	table_add(t, "", NULL);
	table_add(t, "", NULL);
	table_add(t, "", NULL);
	add(t, 0, real(old, "tasks_per_s"), NULL);
	add(t, 0, real(old, "p50_ms"), NULL);
	add(t, 0, real(old, "p95_ms"), NULL);
	add(t, 0, real(old, "p99_ms"), NULL);
	add(t, 2, 100 * real(old, "error_rate"), NULL);
	for (int i = 0; i < 5; i++)
		table_add(t, "", NULL);
}

static void print_words(const json_t *reports)
{
	const json_t *r;
	size_t i;

	json_array_foreach (reports, i, r) {
		const char *words = json_string_value(json_object_get(r, "first_error"));
		CLEANUP(buf_release) struct buf safe = {0};

		if (!words)
			continue;
		text_add_safe(&safe, words, strlen(words));
		printf("%s: the first error: %s\n", json_string_value(json_object_get(r, "scenario")),
			   safe.data);
	}
	printf(
		"\n"
		"promise   P95 < 500 ms, errors < 1 %%, success > 99 %%, recovery < 10 s, uptime >= 99 %%\n"
		"P50 …     from the request that was taken to the result in its user's hands, over HTTP\n"
		"errors    tasks without their right result: no answer in 30 s, a reset, any other status, "
		"of all that ended\n"
		"refused   answers 429 or 503 that said when to come back; the user waited so long and "
		"asked again\n"
		"success   tasks with their result, of all that users wanted (who was refused up to the "
		"end had none)\n"
		"recovery  from the load's end to the first of three tasks in a row that took less than "
		"500 ms each\n"
		"uptime    /livez, asked each second on a connection of its own: answered 200 within a "
		"second\n"
		"before    the same load on the system that this one replaces, as that reported it\n");
}

void users_report_print(const struct cli *c, const json_t *reports)
{
	static const struct table_column columns[] = {
		{"SCENARIO", false, 0}, {"USERS", true, 0},     {"SECONDS", true, 0},
		{"TASKS", true, 0},     {"TASKS/S", true, 0},   {"P50 MS", true, 0},
		{"P95 MS", true, 0},    {"P99 MS", true, 0},    {"ERRORS %", true, 0},
		{"REFUSED", true, 0},   {"SUCCESS %", true, 0}, {"RECOVERY S", true, 0},
		{"UPTIME %", true, 0},  {"PROMISE", false, 0},
	};
	struct table t = {.columns = columns, .ncolumns = ARRAY_LEN(columns)};
	CLEANUP(buf_release) struct buf out = {0};
	const json_t *r;
	size_t i;

	json_array_foreach (reports, i, r)
		add_row(c, &t, r);
	table_render(&t, c->terminal ? TABLE_ALIGNED : TABLE_TABS, &out);
	fwrite(out.data, 1, out.len, stdout);
	table_release(&t);
	if (c->terminal)
		print_words(reports);
	fflush(stdout);
}
