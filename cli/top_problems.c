/*
 * What is wrong, in sentences with what to do. It stands alone because these
 * are judgements, each held by a test. It says less than the doctor, which
 * looks closer and is asked once: only what can be told from what `top` knows
 * at every look.
 */
#include "cli/doctor.h"
#include "cli/top_snapshot.h"

#include <math.h>

#define LANE_FULL 0.8
#define STORE_BEHIND 50000
#define FAILING 0.05
#define FAILING_LEAST_PER_S 0.5

static void add(json_t *list, bool critical, const char *remedy, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

static void add(json_t *list, bool critical, const char *remedy, const char *fmt, ...)
{
	CLEANUP(free_ptr) char *words = NULL;
	CLEANUP(buf_release) struct buf clean = {0};
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&words, fmt, ap) < 0)
		abort();
	va_end(ap);
	utf8_clean(words, strlen(words), &clean); /* reasons are others' words */
	json_t *p = json_pack("{s:s, s:s, s:s}", "level", critical ? "critical" : "warning", "what",
						  clean.data, "remedy", remedy ? remedy : "");
	size_t at = 0;

	/* Worst first, else in the order in which they were found. */
	while (
		critical && at < json_array_size(list) &&
		str_eq(json_string_value(json_object_get(json_array_get(list, at), "level")), "critical"))
		at++;
	json_array_insert_new(list, critical ? at : json_array_size(list), p);
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static double real(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

static void look_at_components(const struct top_answers *a, json_t *list)
{
	if (!a->looked)
		return;
	if (!rates_components(a->rates, RATES_ROUTER))
		add(list, true, "start it: millrace-router",
			"no router answers: submitted tasks wait in TASKS");
	if (!rates_components(a->rates, RATES_STORE))
		add(list, true, "start it: millrace-store",
			"no store answers: outcomes wait in EVENTS, and nobody can be asked about tasks");
	if (!rates_components(a->rates, RATES_NODE))
		add(list, true, "start one: millrace-node node-1",
			"no node answers: tasks wait in their lanes");
	if (rates_database_up(a->rates) == 0)
		add(list, true, "the store goes on by itself when it is back; its log tells why",
			"the store has no database: tasks run, and their outcomes wait in EVENTS");
	if (rates_store_lag(a->rates) > STORE_BEHIND)
		add(list, false, "more of them share the work; is the database slow?",
			"the store is behind: %.0f events wait for it", rates_store_lag(a->rates));
	if (rates_shed_level(a->rates) > 0)
		add(list, true, "millrace doctor tells which stream is full",
			"submissions of %s priority are refused: a stream that every task needs is nearly full",
			rates_shed_level(a->rates) > 1 ? "low and normal" : "low");
}

static void look_at_lane(const struct top_answers *a, const json_t *lane, json_t *list)
{
	json_int_t queued = number(lane, "queued"), limit = number(lane, "limit");
	const char *name = text(lane, "name");

	if (json_is_true(json_object_get(lane, "paused"))) {
		CLEANUP(free_ptr) char *remedy = xasprintf("millrace lane resume %s", name);

		/* Those that parked pulls had taken and gave back count as running until it is resumed. */
		json_int_t running = number(lane, "running");

		if (queued + running > 0)
			add(list, false, remedy, "lane %s is paused%s%s; %lld tasks wait%s", name,
				*text(lane, "reason") ? ": " : "", text(lane, "reason"), (long long)(queued + running),
				running > 0 ? " or still run" : "");
	} else if (queued > 0 && number(lane, "nodes") == 0) {
		CLEANUP(buf_release) struct buf why = {0};
		CLEANUP(buf_release) struct buf remedy = {0};

		lane_diagnose(lane, json_object_get(a->nodes, "nodes"), &why, &remedy);
		add(list, true, remedy.data, "lane %s: %lld tasks are stuck: %s", name, (long long)queued,
			why.data);
	} else if (limit > 0 && (double)queued > LANE_FULL * (double)limit) {
		add(list, false, "start more nodes, or give them more --slots",
			"lane %s holds %lld of at most %lld tasks", name, (long long)queued, (long long)limit);
	}
}

static void look_at_pool(const json_t *pool, json_t *list)
{
	const char *name = text(pool, "pool_name");

	if (json_is_true(json_object_get(pool, "suspended"))) {
		CLEANUP(free_ptr)
		char *remedy = xasprintf("their logs tell why; then: millrace pool resume %s", name);

		add(list, true, remedy, "pool %s: its nodes die soon after their start, so none is started",
			name);
	} else if (number(pool, "waiting") > 0 && number(pool, "target") >= number(pool, "max") &&
			   real(pool, "oldest_s") > real(pool, "promise_s")) {
		add(list, false, "a larger max, more slots, or another machine",
			"pool %s has all the %lld nodes it may have, and tasks wait longer than promised", name,
			(long long)number(pool, "max"));
	}
}

static void look_at_health(const json_t *check, json_t *list)
{
	const char *level = text(check, "level");

	if (*level && !str_eq(level, "ok"))
		add(list, str_eq(level, "critical"), "millrace heal", "%s of %s%s%s: %.4g (limit %.4g)",
			text(check, "check"), text(check, "host"), *text(check, "subject") ? " " : "",
			text(check, "subject"), real(check, "value"), real(check, "limit"));
}

static void look_at_failures(const struct top_answers *a, json_t *list)
{
	double failed = rates_per_s(a->rates, RATES_FAILED, 0),
		   done = rates_per_s(a->rates, RATES_COMPLETED, 0);

	if (failed >= FAILING_LEAST_PER_S && failed > FAILING * (failed + done))
		add(list, false, "millrace dead groups; millrace task list --state dead",
			"%.0f %% of the executions fail (%.1f a second)", 100 * failed / (failed + done),
			failed);
}

json_t *top_problems(const struct top_answers *a)
{
	json_t *list = json_array();
	const json_t *row;
	size_t i;

	if (!a->broker) {
		add(list, true, "it is waited for; what stands here is what was told last",
			"the broker is away%s%s", *a->broker_why ? ": " : "", a->broker_why);
		return list;
	}
	look_at_components(a, list);
	json_array_foreach (json_object_get(a->lanes, "lanes"), i, row)
		look_at_lane(a, row, list);
	json_array_foreach (json_object_get(a->nodes, "nodes"), i, row) {
		if (str_eq(text(row, "state"), "lost"))
			add(list, false, "restart it, or look whether its machine is there",
				"node %s is lost: no heartbeat for %.0f s; its tasks go to others",
				text(row, "name"), real(row, "heartbeat_age_s"));
	}
	json_array_foreach (json_object_get(a->pools, "pools"), i, row)
		look_at_pool(row, list);
	json_array_foreach (json_object_get(a->heal, "checks"), i, row)
		look_at_health(row, list);
	look_at_failures(a, list);
	return list;
}
