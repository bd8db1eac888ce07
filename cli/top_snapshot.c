/*
 * One object out of many answers. It stands alone because the screen, the
 * plain snapshot and --json all show it, and because every answer may be
 * missing: what is not known is null, and the rest is told all the same.
 */
#include "cli/top_snapshot.h"

#include <math.h>

#include "common/clock.h"
#include "common/health_view.h"

static json_t *figure(double v, double step)
{
	return isnan(v) ? json_null() : json_real(round(v / step) * step);
}

static json_t *rates_json(const struct rates *r)
{
	static const char *const names[RATES_COUNTS] = {
		[RATES_SUBMITTED] = "submitted", [RATES_STARTED] = "started",
		[RATES_COMPLETED] = "completed", [RATES_FAILED] = "failed",
		[RATES_RETRIED] = "retried",     [RATES_DEAD] = "dead",
	};
	json_t *j = json_object();

	for (size_t i = 0; i < RATES_COUNTS; i++)
		json_object_set_new(j, names[i], figure(rates_per_s(r, (enum rates_count)i, 0), 0.1));
	return j;
}

static json_t *percentiles(const struct rates *r,
						   double (*of)(const struct rates *r, double fraction, int64_t window_ms))
{
	return json_pack("{s:o, s:o, s:o}", "p50_ms", figure(of(r, 0.5, TOP_WINDOW_MS), 0.001),
					 "p95_ms", figure(of(r, 0.95, TOP_WINDOW_MS), 0.001), "p99_ms",
					 figure(of(r, 0.99, TOP_WINDOW_MS), 0.001));
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The sum of a key over the rows; null where the list is not known. */
static json_t *sum(const json_t *rows, const char *key)
{
	const json_t *row;
	json_int_t n = 0;
	size_t i;

	if (!rows)
		return json_null();
	json_array_foreach (rows, i, row)
		n += number(row, key);
	return json_integer(n);
}

static json_t *of_stats(const json_t *total, const char *key)
{
	return total ? json_integer(number(total, key)) : json_null();
}

static json_t *depths(const struct top_answers *a, const json_t *total)
{
	const json_t *lanes = json_object_get(a->lanes, "lanes");

	return json_pack("{s:o, s:o, s:o, s:o}", "scheduled", of_stats(total, "scheduled"), "queued",
					 sum(lanes, "queued"), "running", sum(lanes, "running"), "dead",
					 of_stats(total, "dead"));
}

static json_t *totals(const json_t *total)
{
	static const char *const states[] = {"scheduled", "queued", "running",
										 "completed", "dead",   "cancelled"};
	json_int_t all = 0;

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		all += number(total, states[i]);
	return json_pack("{s:o, s:o, s:o, s:o}", "submitted", total ? json_integer(all) : json_null(),
					 "completed", of_stats(total, "completed"), "dead", of_stats(total, "dead"),
					 "cancelled", of_stats(total, "cancelled"));
}

static json_t *nodes_json(const json_t *nodes)
{
	json_int_t ready = 0, draining = 0, slots = 0, used = 0;
	const json_t *node;
	size_t i;

	if (!nodes)
		return json_null();
	json_array_foreach (nodes, i, node) {
		const char *state = json_string_value(json_object_get(node, "state"));
		bool takes = state && str_eq(state, "ready");

		ready += takes;
		draining += state && str_eq(state, "draining");
		slots += takes ? number(node, "slots") : 0;
		used += number(node, "used");
	}
	return json_pack("{s:I, s:I, s:I, s:I}", "ready", ready, "draining", draining, "slots", slots,
					 "used", used);
}

static json_t *overview(const struct top_answers *a)
{
	const json_t *total = json_object_get(a->stats, "total");

	if (a->stats && !total)
		total = a->stats; /* a store without a task tells no total: all are 0 */
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:o}}", "rates", rates_json(a->rates), "depths",
		depths(a, total), "totals", totals(total), "wait", percentiles(a->rates, rates_wait_ms),
		"run", percentiles(a->rates, rates_run_ms), "nodes",
		nodes_json(json_object_get(a->nodes, "nodes")), "sla", "target_ms", (int)(TOP_SLA_S * 1000),
		"compliance", figure(rates_wait_within(a->rates, TOP_SLA_S, TOP_WINDOW_MS), 0.0001));
}

/* The lanes, each with what waits for its time; lanes that have nothing but that are told by the store alone. */
static json_t *lanes_json(const struct top_answers *a)
{
	json_t *lanes = json_deep_copy(json_object_get(a->lanes, "lanes"));
	const json_t *row;
	json_t *lane;
	size_t i, k;

	if (!lanes)
		return json_null();
	json_array_foreach (lanes, k, lane)
		json_object_set_new(lane, "scheduled", a->scheduled ? json_integer(0) : json_null());
	json_array_foreach (json_object_get(a->scheduled, "lanes"), i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));

		json_array_foreach (lanes, k, lane) {
			const char *other = json_string_value(json_object_get(lane, "name"));
			if (name && other && str_eq(name, other))
				json_object_set(lane, "scheduled", json_object_get(row, "scheduled"));
		}
	}
	return lanes;
}

static json_t *list_of(const json_t *page, const char *key)
{
	const json_t *list = json_object_get(page, key);

	return page ? list ? json_deep_copy(list) : json_array() : json_null();
}

/* What is wrong, in the words of the gateway's page. */
static json_t *health(const struct top_answers *a)
{
	double up = rates_database_up(a->rates);
	const struct health_input in = {
		.broker = a->broker,
		.broker_why = a->broker_why,
		.asked = a->looked,
		.database = isnan(up) ? -1 : up > 0,
		.database_why = "",
		.rates = a->rates,
		.lanes = json_object_get(a->lanes, "lanes"),
		.nodes = json_object_get(a->nodes, "nodes"),
		.pools = json_object_get(a->pools, "pools"),
		.checks = json_object_get(a->heal, "checks"),
		.now_mono_ms = a->now_mono_ms,
	};

	return health_view(&in, a->standing);
}

json_t *top_snapshot(const struct top_answers *a, int64_t now_wall_ns)
{
	static const char *const names[RATES_ROLES] = {
		[RATES_ROUTER] = "router", [RATES_STORE] = "store",     [RATES_NODE] = "node",
		[RATES_SCALER] = "scaler", [RATES_GATEWAY] = "gateway",
	};
	json_t *components = json_object();
	char at[32];
	size_t i;

	time_format(now_wall_ns, at);
	for (i = 0; i < RATES_ROLES; i++)
		json_object_set_new(components, names[i],
							json_integer(rates_components(a->rates, (enum rates_role)i)));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "at", at, "overview",
					 overview(a), "components", components, "lanes", lanes_json(a), "nodes",
					 list_of(a->nodes, "nodes"), "pools", list_of(a->pools, "pools"), "scaler",
					 a->scaler ? json_deep_copy(a->scaler) : json_null(), "health", health(a),
					 "decisions", list_of(a->history, "events"), "dead",
					 list_of(a->groups, "groups"));
}
