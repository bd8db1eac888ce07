/*
 * The doctor's look at what passes through: streams that nobody drains, lanes
 * without a node, lanes that pile up, types that fail. It stands alone because
 * it is about load, which is no fault of any component. What a component that
 * is away would have told is left out: its absence has been told.
 */
#include "cli/doctor.h"

#include <stdio.h>

#define SAMPLE_MS 1000
#define LANE_FULL 0.8
#define GROWING_LEAST 100 /* fewer waiting tasks are no pile */
#define STREAM_BEHIND 50000
#define ERROR_RATE 0.05
#define ERRORS_LEAST 10

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

/* ---- streams ---- */

static void check_stream(struct doctor *d, const char *stream, const char *who)
{
	char verb[64];
	struct err e = {0};
	json_t *info;
	json_int_t n;

	snprintf(verb, sizeof(verb), "STREAM.INFO.%s", stream);
	if (cli_js_api(d->cli, verb, NULL, &info, NULL, &e))
		return; /* that it is missing was told with the declarations */
	n = number(json_object_get(info, "state"), "messages");
	json_decref(info);
	if (n > STREAM_BEHIND) {
		CLEANUP(free_ptr)
		char *remedy = xasprintf(
			"look at %s: its log tells what it waits for; more of them share the work", who);

		doctor_add(d, FINDING_WARNING, "backlog", remedy, "%lld messages wait in %s: %s is behind",
				   (long long)n, stream, who);
	}
}

/* ---- lanes ---- */

static void check_served(struct doctor *d, const json_t *lane, const json_t *nodes)
{
	CLEANUP(buf_release) struct buf why = {0};
	CLEANUP(buf_release) struct buf remedy = {0};

	if (number(lane, "queued") == 0 || number(lane, "nodes") > 0 ||
		json_is_true(json_object_get(lane, "paused")))
		return;
	lane_diagnose(lane, nodes, &why, &remedy);
	doctor_add(d, FINDING_WRONG, "lane", remedy.data, "%s: %lld tasks are stuck in queued: %s",
			   text(lane, "name"), (long long)number(lane, "queued"), why.data);
}

static const json_t *lane_of(const json_t *lanes, const char *name)
{
	json_t *lane;
	size_t i;

	json_array_foreach(lanes, i, lane)
	{
		if (str_eq(text(lane, "name"), name))
			return lane;
	}
	return NULL;
}

static void check_pile(struct doctor *d, const json_t *before, const json_t *lane)
{
	json_int_t queued = number(lane, "queued");
	json_int_t limit = number(lane, "limit");
	const char *name = text(lane, "name");

	if (json_is_true(json_object_get(lane, "paused")) && queued > 0)
		doctor_add(d, FINDING_WARNING, "lane", NULL, "%s is paused; %lld tasks wait", name,
				   (long long)queued);
	else if (limit > 0 && (double)queued > LANE_FULL * (double)limit)
		doctor_add(d, FINDING_WARNING, "lane", "start more nodes, or give them more --slots",
				   "%s holds %lld of at most %lld tasks; when it is full, more are put off", name,
				   (long long)queued, (long long)limit);
	else if (before && number(lane, "nodes") > 0 && queued >= GROWING_LEAST &&
			 queued > number(before, "queued"))
		doctor_add(d, FINDING_WARNING, "lane", "start more nodes, or give them more --slots",
				   "%s piles up: %lld tasks wait, %lld more than a second ago, for %lld nodes",
				   name, (long long)queued, (long long)(queued - number(before, "queued")),
				   (long long)number(lane, "nodes"));
}

static bool worth_a_second_look(const json_t *lanes)
{
	json_t *lane;
	size_t i;

	json_array_foreach(lanes, i, lane)
	{
		if (number(lane, "queued") >= GROWING_LEAST && number(lane, "nodes") > 0)
			return true;
	}
	return false;
}

static int lanes_now(struct doctor *d, json_t **ret, struct err *e)
{
	json_t *page;
	int rc = cli_call(d->cli, "api.lane.list", NULL, &page, e);

	if (rc)
		return rc;
	*ret = json_incref(json_object_get(page, "lanes"));
	json_decref(page);
	if (!*ret)
		*ret = json_array();
	return 0;
}

static void check_lanes(struct doctor *d, const json_t *nodes)
{
	unsigned before_findings = d->wrong + d->warnings;
	json_t *before = NULL;
	json_t *lanes;
	json_t *lane;
	struct err e = {0};
	bool never = false;
	size_t i;

	if (lanes_now(d, &lanes, &e)) {
		doctor_add(d, FINDING_WRONG, "lane", NULL, "lanes cannot be listed: %s", e.text);
		return;
	}
	if (worth_a_second_look(lanes) && cli_wait(d->cli, &never, SAMPLE_MS, &e) == ERR_TIMEOUT) {
		before = lanes;
		if (lanes_now(d, &lanes, &e)) {
			lanes = before;
			before = NULL;
		}
	}
	json_array_foreach(lanes, i, lane)
	{
		check_served(d, lane, nodes);
		check_pile(d, lane_of(before, text(lane, "name")), lane);
	}
	if (before_findings == d->wrong + d->warnings)
		doctor_add(d, FINDING_OK, "lane", NULL, "%zu lanes, none is stuck or piles up",
				   json_array_size(lanes));
	json_decref(before);
	json_decref(lanes);
}

/* ---- nodes ---- */

static void check_nodes(struct doctor *d, const json_t *nodes)
{
	json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
	{
		if (str_eq(text(node, "state"), "lost"))
			doctor_add(
				d, FINDING_WARNING, "node", "restart it, or look whether its machine is there",
				"%s is lost: no heartbeat for %.0f s; its tasks go to others", text(node, "name"),
				json_number_value(json_object_get(node, "heartbeat_age_s")));
	}
}

/* ---- errors ---- */

/* What the last of them died of says more than a number. */
static void add_error(struct doctor *d, const char *type, double rate, json_int_t dead)
{
	json_t *request = json_pack("{s:[s], s:s, s:i}", "states", "dead", "type", type, "limit", 1);
	CLEANUP(free_ptr) char *remedy = xasprintf("millrace task list --state dead --type %s", type);
	struct err e = {0};
	json_t *page = NULL;
	int rc = cli_call(d->cli, "api.task.list", request, &page, &e);
	const json_t *task = rc ? NULL : json_array_get(json_object_get(page, "tasks"), 0);

	doctor_add(d, FINDING_WARNING, "errors", remedy,
			   "%.0f %% of the finished tasks of type %s are dead (%lld)%s%s", rate * 100, type,
			   (long long)dead, task ? "; the last: " : "", task ? text(task, "error") : "");
	json_decref(page);
	json_decref(request);
}

static void check_errors(struct doctor *d)
{
	unsigned warnings = d->warnings;
	struct err e = {0};
	json_t *stats;
	json_t *type;
	size_t i;

	if (cli_call(d->cli, "api.task.stats", NULL, &stats, &e)) {
		doctor_add(d, FINDING_WRONG, "errors", NULL, "the store cannot be asked: %s", e.text);
		return;
	}
	json_array_foreach(json_object_get(stats, "types"), i, type)
	{
		json_int_t dead = number(type, "dead");
		double rate = (double)dead / (double)MAX_OF(dead + number(type, "completed"), 1);

		if (dead >= ERRORS_LEAST && rate > ERROR_RATE)
			add_error(d, text(type, "type"), rate, dead);
	}
	if (warnings == d->warnings)
		doctor_add(d, FINDING_OK, "errors", NULL, "no type fails often");
	json_decref(stats);
}

void doctor_work(struct doctor *d)
{
	struct err e = {0};
	json_t *page = NULL;

	check_stream(d, "TASKS", "millrace-router");
	check_stream(d, "EVENTS", "millrace-store");
	if (d->routers && cli_call(d->cli, "api.node.list", NULL, &page, &e)) {
		doctor_add(d, FINDING_WRONG, "node", NULL, "nodes cannot be listed: %s", e.text);
	} else if (d->routers) {
		check_nodes(d, json_object_get(page, "nodes"));
		check_lanes(d, json_object_get(page, "nodes"));
	}
	if (d->stores) {
		doctor_deferred(d);
		doctor_direct(d);
		check_errors(d);
	}
	json_decref(page);
}
