/*
 * Judgements about the whole system. It stands alone because each of them is
 * held by a test, and because /health, the page, whoever reads /events and `millrace top`
 * are to be told the same. It says less than `millrace doctor`, which looks closer
 * and is asked once: only what can be told from what is sampled anyway.
 * A broker that is away hides all else, so then nothing else is said.
 */
#include "common/health_view.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/codec.h"
#include "common/lane_diagnose.h"

#define LANE_FULL 0.8
#define STORE_BEHIND_EVENTS 50000
#define FAILING_SHARE 0.05
#define FAILING_LEAST_PER_S 0.5
#define WINDOW_MS 10000
#define DEAD_WINDOW_MS 60000

static void add(json_t *list, bool critical, const char *remedy, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Worst first, else in the order in which they were found. */
static void add(json_t *list, bool critical, const char *remedy, const char *fmt, ...)
{
	CLEANUP(buf_release) struct buf clean = {0};
	char what[900];
	va_list args;
	size_t at = 0;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	utf8_clean(what, strlen(what), &clean); /* reasons are others' words */
	while (
		critical && at < json_array_size(list) &&
		str_eq(json_string_value(json_object_get(json_array_get(list, at), "level")), "critical"))
		at++;
	json_array_insert_new(list, critical ? at : json_array_size(list),
						  json_pack("{s:s, s:s, s:s}", "level", critical ? "critical" : "warning",
									"what", clean.data ? clean.data : "", "remedy", remedy));
}

static long long number(const json_t *o, const char *key)
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

/* ---- who is there ---- */

static unsigned there(const struct health_input *in, enum rates_role role)
{
	return in->rates ? rates_components(in->rates, role) : 0;
}

/* By the roster: nodes of another make answer no ctl.metrics. */
static unsigned nodes_there(const struct health_input *in)
{
	const json_t *node;
	unsigned n = 0;
	size_t i;

	json_array_foreach (in->nodes, i, node) {
		n += str_eq(text(node, "state"), "ready") || str_eq(text(node, "state"), "draining");
	}
	return in->nodes ? n : there(in, RATES_NODE);
}

static void look_at_components(const struct health_input *in, json_t *list)
{
	if (!there(in, RATES_ROUTER))
		add(list, true, "start it: millrace-router",
			"no router answers: what is submitted waits in TASKS");
	if (!there(in, RATES_STORE))
		add(list, true, "start it: millrace-store",
			"no store answers: outcomes wait in EVENTS, and nobody can be asked about tasks");
	else if (in->database == 0)
		add(list, true, "bring PostgreSQL back; the store goes on by itself, its log tells why",
			"the database is away: tasks run, and their outcomes wait in EVENTS%s%s",
			*in->database_why ? ": " : "", in->database_why);
	if (!nodes_there(in))
		add(list, true, "start one: millrace-node node-1",
			"there is no node: tasks wait in their lanes");
	if (!there(in, RATES_SCALER))
		add(list, false, "start it: millrace-scaler; without one, start nodes by hand",
			"no scaler answers: nodes are neither started, ended nor healed by themselves");
}

static void look_at_streams(const struct rates *r, json_t *list)
{
	if (rates_shed_level(r) > 0)
		add(list, true, "millrace doctor tells which stream is full, and of what",
			"submissions of %s priority are refused: a stream that every task needs is nearly full",
			rates_shed_level(r) > 1 ? "low and normal" : "low");
	if (rates_store_lag(r) > STORE_BEHIND_EVENTS)
		add(list, false, "start another millrace-store; is the database slow?",
			"the store is behind: %.0f events wait for it", rates_store_lag(r));
	if (rates_drift(r) > 0)
		add(list, false, "millrace audit shows the lanes; millrace audit --repair gives them up",
			"the audit misses %.0f tasks: unfinished, and in no stream", rates_drift(r));
}

/* ---- lanes ---- */

static void stuck(const struct health_input *in, const json_t *lane, json_t *standing, json_t *list)
{
	const char *name = text(lane, "name");
	const json_t *since = json_object_get(standing, name);

	if (!since) {
		json_object_set_new(standing, name, json_integer(in->now_mono_ms));
		return;
	}
	long long for_ms = in->now_mono_ms - json_integer_value(since);

	if (for_ms >= HEALTH_STUCK_MS)
		add(list, true, "look at those nodes' logs; restart the one that is silent",
			"lane %s is stuck: %lld tasks wait, %lld nodes serve it, and for %lld s none has run",
			name, number(lane, "queued"), number(lane, "nodes"), for_ms / 1000);
}

/* Nodes that serve it may be busy with other lanes. */
static bool any_slot_free(const json_t *nodes)
{
	const json_t *node;
	size_t i;

	json_array_foreach (nodes, i, node) {
		if (str_eq(text(node, "state"), "ready") && number(node, "used") < number(node, "slots"))
			return true;
	}
	return false;
}

static void look_at_lane(const struct health_input *in, const json_t *lane, json_t *standing,
						 json_t *list)
{
	long long queued = number(lane, "queued"), limit = number(lane, "limit");
	const char *name = text(lane, "name"), *why = text(lane, "reason");
	bool still = false;

	if (json_is_true(json_object_get(lane, "paused"))) {
		char remedy[400];

		snprintf(remedy, sizeof(remedy), "millrace lane resume %s", name);
		/* Those that parked pulls had taken and gave back count as running until it is resumed. */
		long long running = number(lane, "running");

		if (queued + running > 0)
			add(list, false, remedy, "lane %s is paused%s%s; %lld tasks wait%s", name,
				*why ? ": " : "", why, queued + running, running > 0 ? " or still run" : "");
	} else if (queued > 0 && number(lane, "nodes") == 0) {
		CLEANUP(buf_release) struct buf detail = {0};
		CLEANUP(buf_release) struct buf remedy = {0};

		lane_diagnose(lane, in->nodes, &detail, &remedy);
		add(list, true, remedy.data, "no node serves lane %s, where %lld tasks wait: %s", name,
			queued, detail.data);
	} else if (limit > 0 && (double)queued > LANE_FULL * (double)limit) {
		add(list, false, "start more nodes, or give them more --slots",
			"lane %s holds %lld of at most %lld tasks", name, queued, limit);
	} else {
		still = queued > 0 && number(lane, "running") == 0 && !real(lane, "rate_per_s") &&
				any_slot_free(in->nodes);
	}
	if (still)
		stuck(in, lane, standing, list);
	else
		json_object_del(standing, name);
}

/* ---- nodes, pools, health checks, failures ---- */

static void look_at_node(const json_t *node, json_t *list)
{
	if (str_eq(text(node, "state"), "lost"))
		add(list, false, "restart it, or look whether its machine is there",
			"node %s is lost: no heartbeat for %.0f s; its tasks go to others", text(node, "name"),
			floor(real(node, "heartbeat_age_s") / 10) * 10);
}

static void look_at_pool(const json_t *pool, json_t *list)
{
	const char *name = text(pool, "pool_name");

	if (json_is_true(json_object_get(pool, "suspended"))) {
		char remedy[400];

		snprintf(remedy, sizeof(remedy), "their logs tell why; then: millrace pool resume %s",
				 name);
		add(list, true, remedy,
			"pool %s is suspended: its nodes die soon after their start, so none is started", name);
	} else if (number(pool, "waiting") > 0 && number(pool, "target") >= number(pool, "max") &&
			   real(pool, "oldest_s") > real(pool, "promise_s") && real(pool, "promise_s") > 0) {
		add(list, false, "a larger max, more slots a node, or another machine",
			"pool %s has all the %lld nodes it may have, and tasks wait longer than promised", name,
			number(pool, "max"));
	}
}

/* What the scalers' health checks measure, as sentences. */
static const struct {
	const char *check, *what, *how, *remedy; /* "<host>: <what> 95 % <how> (limit 90 %)" */
} host_checks[] = {
	{"cpu", "processors are", "busy",
	 "expected while there is much to do; else another machine, or fewer slots a node"},
	{"memory", "memory is", "full",
	 "millrace heal --check memory frees what may be freed; else fewer nodes there"},
	{"disk", "disk is", "full",
	 "millrace heal --check disk removes our temporary files; else make room"},
};

static void look_at_check(const json_t *check, json_t *list)
{
	const char *level = text(check, "level"), *name = text(check, "check"),
			   *host = text(check, "host");
	double value = real(check, "value"), limit = real(check, "limit");
	bool critical = str_eq(level, "critical");

	if (!*level || str_eq(level, "ok"))
		return;
	for (size_t i = 0; i < ARRAY_LEN(host_checks); i++) {
		if (!str_eq(name, host_checks[i].check))
			continue;
		add(list, critical, host_checks[i].remedy, "%s: %s %.0f %% %s (limit %.0f %%)", host,
			host_checks[i].what, value, host_checks[i].how, limit);
		return;
	}
	add(list, critical, "millrace heal looks again, and does what it may",
		"%s of %s%s%s: %.4g (limit %.4g)", name, host, *text(check, "subject") ? " " : "",
		text(check, "subject"), value, limit);
}

static void look_at_failures(const struct rates *r, json_t *list)
{
	double failed = rates_per_s(r, RATES_FAILED, WINDOW_MS);
	double done = rates_per_s(r, RATES_COMPLETED, WINDOW_MS);
	double dead = rates_growth(r, RATES_DEAD, DEAD_WINDOW_MS);

	if (dead >= 1)
		add(list, false,
			"look at them by fingerprint (millrace dead groups); replay them when the cause is "
			"gone",
			"dead letters rise: %.0f tasks died within the last minute", dead);
	if (failed >= FAILING_LEAST_PER_S && failed > FAILING_SHARE * (failed + done))
		add(list, false, "which type, which error: millrace dead groups, millrace task list",
			"%.0f %% of the executions fail", 100 * failed / (failed + done));
}

/* ---- all of it ---- */

static void look(const struct health_input *in, json_t *standing, json_t *list)
{
	const json_t *row;
	size_t i;

	if (!in->broker) {
		add(list, true, "start nats-server, or mend the way to it; everything goes on by itself",
			"the broker is away%s%s", *in->broker_why ? ": " : "", in->broker_why);
		return;
	}
	if (in->asked)
		look_at_components(in, list);
	if (in->rates)
		look_at_streams(in->rates, list);
	json_array_foreach (in->lanes, i, row) {
		look_at_lane(in, row, standing, list);
	}
	json_array_foreach (in->nodes, i, row) {
		look_at_node(row, list);
	}
	json_array_foreach (in->pools, i, row) {
		look_at_pool(row, list);
	}
	json_array_foreach (in->checks, i, row) {
		look_at_check(row, list);
	}
	if (in->rates)
		look_at_failures(in->rates, list);
}

static void cut(json_t *list)
{
	size_t n = json_array_size(list);

	if (n <= HEALTH_PROBLEMS_MAX)
		return;
	while (json_array_size(list) > HEALTH_PROBLEMS_MAX)
		json_array_remove(list, json_array_size(list) - 1);
	add(list, false, "millrace doctor tells all", "and %zu more", n - HEALTH_PROBLEMS_MAX);
}

/* Lanes that are gone stand still no more. */
static void forget_gone(const json_t *lanes, json_t *standing)
{
	const char *name;
	json_t *since;
	void *next;

	json_object_foreach_safe (standing, next, name, since) {
		const json_t *lane;
		bool known = false;
		size_t i;

		json_array_foreach (lanes, i, lane) {
			known = known || str_eq(text(lane, "name"), name);
		}
		if (!known)
			json_object_del(standing, name);
	}
}

json_t *health_view(const struct health_input *in, json_t *standing)
{
	json_t *list = json_array(), *health = json_object();
	bool critical;

	look(in, standing, list);
	if (in->lanes)
		forget_gone(in->lanes, standing);
	critical = str_eq(text(json_array_get(list, 0), "level"), "critical");
	cut(list);
	json_object_set_new(health, "ok", json_boolean(!critical));
	json_object_set_new(
		health, "broker",
		json_pack("{s:b, s:s}", "ok", in->broker, "why", in->broker ? "" : in->broker_why));
	json_object_set_new(health, "database",
						json_pack("{s:b, s:s}", "ok", in->broker && in->database == 1, "why",
								  !in->broker         ? "the broker is away"
								  : in->database == 1 ? ""
								  : *in->database_why ? in->database_why
													  : "not known yet"));
	json_object_set_new(health, "router", json_integer(there(in, RATES_ROUTER)));
	json_object_set_new(health, "store", json_integer(there(in, RATES_STORE)));
	json_object_set_new(health, "scaler", json_integer(there(in, RATES_SCALER)));
	json_object_set_new(health, "nodes", json_integer(nodes_there(in)));
	json_object_set_new(health, "problems", list);
	return health;
}
