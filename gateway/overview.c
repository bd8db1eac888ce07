/*
 * From samples to numbers that people look at. It stands alone because each
 * of them has a choice in it that a test holds: rates come from the counters of
 * all processes (common/rates.h), but completions from the rows, where a node of
 * another make counts too, as long as the database answers; depths come from
 * the broker, whose counts are the truth, and from the rows while no router
 * answers.
 */
#include "gateway/overview.h"

#include <math.h>

/* One decimal is what anybody reads; more would make every second a change. */
static json_t *number(double v)
{
	return isfinite(v) ? json_real(round(v * 10) / 10) : json_null();
}

static json_t *whole(double v)
{
	return isfinite(v) ? json_integer((json_int_t)v) : json_null();
}

static double of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* NaN: there is no such list. */
static double sum(const json_t *list, const char *key)
{
	const json_t *row;
	double n = 0;
	size_t i;

	json_array_foreach (list, i, row) {
		n += of(row, key);
	}
	return list ? n : (double)NAN;
}

void overview_note_stats(struct overview_ends *ends, const json_t *total, int64_t now_ms)
{
	if (ends->n == OVERVIEW_STATS_MAX) {
		memmove(ends->at, ends->at + 1, sizeof(ends->at) - sizeof(ends->at[0]));
		ends->n--;
	}
	ends->at[ends->n].at_ms = now_ms;
	ends->at[ends->n++].completed = (uint64_t)of(total, "completed");
}

/* NaN: fewer than two counts. A database that was emptied or restored completes nothing. */
static double stored_per_s(const struct overview_ends *ends)
{
	size_t last = ends ? ends->n : 0, first;
	int64_t took_ms;

	if (last < 2)
		return NAN;
	first = --last;
	while (first > 0 && ends->at[last].at_ms - ends->at[first].at_ms < OVERVIEW_RATE_MS)
		first--;
	took_ms = ends->at[last].at_ms - ends->at[first].at_ms;
	if (took_ms <= 0)
		return NAN;
	return MAX_OF((double)ends->at[last].completed - (double)ends->at[first].completed, 0.0) *
		   1000 / (double)took_ms;
}

static double per_s(const struct overview_input *in, enum rates_count c)
{
	return in->rates ? rates_per_s(in->rates, c, OVERVIEW_RATE_MS) : (double)NAN;
}

static double completed_per_s(const struct overview_input *in)
{
	double stored = in->stats ? stored_per_s(in->ends) : (double)NAN;

	return isnan(stored) ? per_s(in, RATES_COMPLETED) : stored;
}

static double wait_ms(const struct overview_input *in, double fraction)
{
	return in->rates ? rates_wait_ms(in->rates, fraction, OVERVIEW_PERCENTILE_MS) : (double)NAN;
}

static double run_ms(const struct overview_input *in, double fraction)
{
	return in->rates ? rates_run_ms(in->rates, fraction, OVERVIEW_PERCENTILE_MS) : (double)NAN;
}

static double total(const struct overview_input *in, const char *key)
{
	return in->stats ? of(json_object_get(in->stats, "total"), key) : (double)NAN;
}

static double queued(const struct overview_input *in)
{
	if (!in->lanes)
		return total(in, "queued");
	return sum(in->lanes, "queued") + (in->nodes ? sum(in->nodes, "direct") : 0);
}

/* Nodes that a task may run on. */
static double usable(const json_t *nodes, const char *state, const char *key)
{
	const json_t *row;
	double n = 0;
	size_t i;

	json_array_foreach (nodes, i, row) {
		const char *is = json_string_value(json_object_get(row, "state"));
		bool right =
			is && (state ? str_eq(is, state) : str_eq(is, "ready") || str_eq(is, "draining"));

		if (right)
			n += key ? of(row, key) : 1;
	}
	return nodes ? n : (double)NAN;
}

/* Those that a scaler's target counts: a bridge belongs to no pool's number. */
static double pooled(const json_t *nodes)
{
	const json_t *row;
	double bridges = 0;
	size_t i;

	json_array_foreach (nodes, i, row) {
		const char *state = json_string_value(json_object_get(row, "state"));

		bridges += json_is_true(json_object_get(row, "bridge")) && state && str_eq(state, "ready");
	}
	return usable(nodes, "ready", NULL) - bridges;
}

/* What was given to a node by name is in no lane, but takes its slot. */
static double running(const struct overview_input *in)
{
	double of_lanes = in->lanes ? sum(in->lanes, "running") : total(in, "running");
	double used = usable(in->nodes, NULL, "used");

	return isnan(of_lanes) || used > of_lanes ? used : of_lanes;
}

static double submitted(const struct overview_input *in)
{
	static const char *const states[] = {"scheduled", "queued", "running",
										 "completed", "dead",   "cancelled"};
	double n = 0;

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		n += total(in, states[i]);
	return n;
}

static json_t *quantiles(const struct overview_input *in,
						 double (*ms)(const struct overview_input *in, double fraction))
{
	return json_pack("{s:o, s:o, s:o}", "p50_ms", number(ms(in, 0.5)), "p95_ms",
					 number(ms(in, 0.95)), "p99_ms", number(ms(in, 0.99)));
}

static json_t *compliance(const struct overview_input *in)
{
	double share = in->rates
					   ? rates_wait_within(in->rates, in->target_s, OVERVIEW_PERCENTILE_MS)
					   : (double)NAN;

	return isnan(share) ? json_null() : json_real(round(share * 10000) / 10000);
}

json_t *overview_json(const struct overview_input *in)
{
	json_t *o = json_object();

	json_object_set_new(
		o, "rates",
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "submitted", number(per_s(in, RATES_SUBMITTED)),
				  "started", number(per_s(in, RATES_STARTED)), "completed",
				  number(completed_per_s(in)), "failed", number(per_s(in, RATES_FAILED)), "retried",
				  number(per_s(in, RATES_RETRIED)), "dead", number(per_s(in, RATES_DEAD))));
	json_object_set_new(
		o, "depths",
		json_pack("{s:o, s:o, s:o, s:o, s:o}", "scheduled", whole(total(in, "scheduled")), "queued",
				  whole(queued(in)), "running", whole(running(in)), "retrying",
				  whole(in->stats ? of(in->stats, "retrying") : (double)NAN), "dead",
				  in->dead_letters < 0 ? json_null() : json_integer(in->dead_letters)));
	json_object_set_new(o, "totals",
						json_pack("{s:o, s:o, s:o, s:o}", "submitted", whole(submitted(in)),
								  "completed", whole(total(in, "completed")), "dead",
								  whole(total(in, "dead")), "cancelled",
								  whole(total(in, "cancelled"))));
	json_object_set_new(o, "wait", quantiles(in, wait_ms));
	json_object_set_new(o, "run", quantiles(in, run_ms));
	json_object_set_new(o, "nodes",
						json_pack("{s:o, s:o, s:o, s:o}", "ready",
								  whole(usable(in->nodes, "ready", NULL)), "draining",
								  whole(usable(in->nodes, "draining", NULL)), "slots",
								  whole(usable(in->nodes, NULL, "slots")), "used",
								  whole(usable(in->nodes, NULL, "used"))));
	json_object_set_new(o, "sla",
						json_pack("{s:i, s:o}", "target_ms", (int)(in->target_s * 1000),
								  "compliance", compliance(in)));
	return o;
}

/* What the scaler is to reach, over all pools; null without one. */
static json_t *target(const json_t *pools)
{
	return json_array_size(pools) ? whole(sum(pools, "target")) : json_null();
}

json_t *overview_point(const struct overview_input *in, int64_t unix_s)
{
	json_t *p = json_pack("{s:I}", "t", (json_int_t)unix_s);
	static const struct {
		const char *name;
		double fraction;
	} percentiles[] = {{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}};

	json_object_set_new(p, "submitted", number(per_s(in, RATES_SUBMITTED)));
	json_object_set_new(p, "completed", number(completed_per_s(in)));
	json_object_set_new(p, "dead", number(per_s(in, RATES_DEAD)));
	json_object_set_new(p, "queued", whole(queued(in)));
	json_object_set_new(p, "running", whole(running(in)));
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		char key[16] = "wait_";

		memcpy(key + 5, percentiles[i].name, 4);
		json_object_set_new(p, key, number(wait_ms(in, percentiles[i].fraction)));
	}
	for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
		char key[16] = "run_";

		memcpy(key + 4, percentiles[i].name, 4);
		json_object_set_new(p, key, number(run_ms(in, percentiles[i].fraction)));
	}
	json_object_set_new(p, "nodes", whole(pooled(in->nodes)));
	json_object_set_new(p, "target", target(in->pools));
	return p;
}
