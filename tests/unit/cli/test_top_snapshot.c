/* top_snapshot: answers, some of them missing, into one object, with what is wrong in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "cli/top_snapshot.h"

static json_t *read(const char *text)
{
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	assert_true(!text || j);
	return j;
}

struct rig {
	struct rates *rates;
	json_t *owned[16];
	size_t n;
	struct top_answers a;
};

static const json_t *give(struct rig *r, const char *text)
{
	return r->owned[r->n++] = read(text);
}

static struct rig rig(void)
{
	struct rig r = {.rates = rates_new()};

	r.a = (struct top_answers){
		.rates = r.rates, .broker = true, .broker_why = "", .standing = r.owned[r.n++] = json_object()};
	return r;
}

static void release(struct rig *r)
{
	for (size_t i = 0; i < r->n; i++)
		json_decref(r->owned[i]);
	rates_free(r->rates);
}

/* Owned. */
static json_t *problems(const struct rig *r)
{
	json_t *s = top_snapshot(&r->a, 0);
	json_t *list = json_incref(json_object_get(json_object_get(s, "health"), "problems"));

	json_decref(s);
	return list;
}

static const json_t *at(const json_t *j, const char *a, const char *b, const char *c)
{
	j = json_object_get(j, a);
	j = b ? json_object_get(j, b) : j;
	return c ? json_object_get(j, c) : j;
}

static void what_is_not_known_is_null(void **state)
{
	struct rig r = rig();
	json_t *s = top_snapshot(&r.a, 0);

	(void)state;
	assert_non_null(s);
	assert_true(json_is_null(at(s, "lanes", NULL, NULL)));
	assert_true(json_is_null(at(s, "nodes", NULL, NULL)));
	assert_true(json_is_null(at(s, "pools", NULL, NULL)));
	assert_true(json_is_null(at(s, "dead", NULL, NULL)));
	assert_true(json_is_null(at(s, "overview", "depths", "queued")));
	assert_true(json_is_null(at(s, "overview", "totals", "submitted")));
	assert_true(json_is_null(at(s, "overview", "rates", "submitted")));
	assert_true(json_is_null(at(s, "overview", "wait", "p95_ms")));
	assert_true(json_is_null(at(s, "overview", "nodes", NULL)));
	assert_true(json_is_null(at(s, "overview", "sla", "compliance")));
	assert_true(json_is_true(at(s, "health", "ok", NULL)));
	json_decref(s);
	release(&r);
}

static void sums_are_over_the_lists(void **state)
{
	struct rig r = rig();

	(void)state;
	r.a.lanes = give(&r, "{\"lanes\":[{\"name\":\"a\",\"queued\":3,\"running\":1,\"nodes\":1},{"
						 "\"name\":\"b\",\"queued\":4,\"nodes\":1}]}");
	r.a.scheduled = give(
		&r, "{\"lanes\":[{\"name\":\"b\",\"scheduled\":9},{\"name\":\"gone\",\"scheduled\":1}]}");
	r.a.nodes = give(&r, "{\"nodes\":[{\"name\":\"n\",\"state\":\"ready\",\"slots\":10,\"used\":4},"
						 "{\"name\":\"m\",\"state\":\"draining\",\"slots\":10,\"used\":1},"
						 "{\"name\":\"l\",\"state\":\"stopped\",\"slots\":10}]}");
	r.a.stats = give(
		&r,
		"{\"total\":{\"scheduled\":10,\"queued\":7,\"completed\":100,\"dead\":2,\"cancelled\":1}}");
	r.a.history = give(&r, "{}"); /* nothing was decided: an empty list, not an unknown one */
	json_t *s = top_snapshot(&r.a, 0);
	assert_int_equal(json_integer_value(at(s, "overview", "depths", "queued")), 7);
	assert_int_equal(json_integer_value(at(s, "overview", "depths", "running")), 1);
	assert_int_equal(json_integer_value(at(s, "overview", "depths", "scheduled")), 10);
	assert_int_equal(json_integer_value(at(s, "overview", "totals", "submitted")), 120);
	assert_int_equal(json_integer_value(at(s, "overview", "nodes", "ready")), 1);
	assert_int_equal(json_integer_value(at(s, "overview", "nodes", "draining")), 1);
	assert_int_equal(json_integer_value(at(s, "overview", "nodes", "slots")), 10);
	assert_int_equal(json_integer_value(at(s, "overview", "nodes", "used")), 5);
	const json_t *lanes = at(s, "lanes", NULL, NULL);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(lanes, 0), "scheduled")), 0);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(lanes, 1), "scheduled")), 9);
	assert_true(json_is_array(at(s, "decisions", NULL, NULL)));
	json_decref(s);
	release(&r);
}

static void add_components(struct rig *r)
{
	static const char none[] = "";

	rates_answer(r->rates, "router", "r", 1, 1, none, 0);
	rates_answer(r->rates, "store", "s", 1, 1, none, 0);
	rates_answer(r->rates, "node", "n", 1, 1, none, 0);
	rates_answer(r->rates, "scaler", "c", 1, 1, none, 0);
}

/* Each case: what is told, and the problems it makes, in order. */
static void problems_say_what_and_what_to_do(void **state)
{
	static const struct {
		const char *lanes, *nodes, *pools, *heal;
		const char *level, *what, *remedy;
	} rows[] = {
		{"{\"lanes\":[{\"name\":\"sum\",\"type\":\"sum\",\"queued\":2}]}", NULL, NULL,
		 NULL, "critical", "no node serves lane sum, where 2 tasks wait: no node is running",
		 "start one: millrace-node node-1"},
		{"{\"lanes\":[{\"name\":\"a\",\"queued\":2,\"paused\":true,\"reason\":\"new model\"}]}",
		 NULL, NULL, NULL, "warning", "lane a is paused: new model; 2 tasks wait",
		 "millrace lane resume a"},
		{"{\"lanes\":[{\"name\":\"a\",\"queued\":81,\"limit\":100,\"nodes\":1}]}", NULL, NULL, NULL,
		 "warning", "lane a holds 81 of at most 100 tasks",
		 "start more nodes, or give them more --slots"},
		{NULL, "{\"nodes\":[{\"name\":\"n\",\"state\":\"lost\",\"heartbeat_age_s\":12.4},"
		 "{\"name\":\"m\",\"state\":\"ready\"}]}", NULL,
		 NULL, "warning", "node n is lost: no heartbeat for 10 s; its tasks go to others",
		 "restart it, or look whether its machine is there"},
		{NULL, NULL, "{\"pools\":[{\"pool_name\":\"p\",\"suspended\":true}]}", NULL, "critical",
		 "pool p is suspended: its nodes die soon after their start, so none is started",
		 "their logs tell why; then: millrace pool resume p"},
		{NULL, NULL,
		 "{\"pools\":[{\"pool_name\":\"p\",\"waiting\":5,\"target\":4,\"max\":4,\"oldest_s\":3.0,"
		 "\"promise_s\":2.0}]}",
		 NULL, "warning",
		 "pool p has all the 4 nodes it may have, and tasks wait longer than promised",
		 "a larger max, more slots a node, or another machine"},
		{NULL, NULL, NULL,
		 "{\"checks\":[{\"check\":\"disk\",\"host\":\"h\",\"subject\":\"/"
		 "var\",\"level\":\"critical\",\"value\":97.5,\"limit\":90}]}",
		 "critical", "h: disk is 98 % full (limit 90 %)",
		 "millrace heal --check disk removes our temporary files; else make room"},
		/* and what is no problem: */
		{"{\"lanes\":[{\"name\":\"a\",\"queued\":80,\"limit\":100,\"nodes\":1},{\"name\":\"b\","
		 "\"paused\":true},{\"name\":\"c\"}]}",
		 "{\"nodes\":[{\"name\":\"n\",\"state\":\"stopped\"},{\"name\":\"m\",\"state\":\"ready\"}]}",
		 "{\"pools\":[{\"pool_name\":\"p\",\"target\":4,\"max\":4,\"oldest_s\":3.0,\"promise_s\":2."
		 "0}]}",
		 "{\"checks\":[{\"check\":\"cpu\",\"level\":\"ok\"}]}", NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig r = rig();

		add_components(&r);
		rates_look(r.rates, 0);
		r.a.looked = true;
		r.a.lanes = give(&r, rows[i].lanes);
		r.a.nodes = give(&r, rows[i].nodes);
		r.a.pools = give(&r, rows[i].pools);
		r.a.heal = give(&r, rows[i].heal);
		json_t *list = problems(&r);
		const json_t *p = json_array_get(list, 0);
		assert_int_equal(json_array_size(list), rows[i].what ? 1 : 0);
		if (p) {
			assert_string_equal(json_string_value(json_object_get(p, "level")), rows[i].level);
			assert_string_equal(json_string_value(json_object_get(p, "what")), rows[i].what);
			assert_string_equal(json_string_value(json_object_get(p, "remedy")), rows[i].remedy);
		}
		json_decref(list);
		release(&r);
	}
}

static void who_is_missing_is_told_after_a_look(void **state)
{
	struct rig r = rig();
	json_t *list = problems(&r);

	(void)state;
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	r.a.looked = true;
	r.a.nodes = give(&r, "{\"nodes\":[{\"name\":\"n\",\"state\":\"lost\"}]}");
	list = problems(&r);
	assert_int_equal(json_array_size(list),
					 5); /* no router, no store, no node; and the warnings last: no scaler, the lost one */
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "level")),
						"critical");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 2), "level")),
						"critical");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 4), "level")),
						"warning");
	json_decref(list);
	release(&r);
}

static void without_a_broker_nothing_else_is_judged(void **state)
{
	struct rig r = rig();

	(void)state;
	r.a.looked = true;
	r.a.broker = false;
	r.a.broker_why = "connection refused";
	r.a.lanes = give(&r, "{\"lanes\":[{\"name\":\"sum\",\"queued\":2}]}");
	json_t *s = top_snapshot(&r.a, 0);
	const json_t *list = at(s, "health", "problems", NULL);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "what")),
						"the broker is away: connection refused");
	assert_true(json_is_false(at(s, "health", "ok", NULL)));
	json_decref(s);
	release(&r);
}

static void many_failures_are_a_problem(void **state)
{
	static const char *const texts[] = {
		"millrace_node_tasks_total{outcome=\"failed\"} "
		"0\nmillrace_node_tasks_total{outcome=\"completed\"} 0\n",
		"millrace_node_tasks_total{outcome=\"failed\"} "
		"10\nmillrace_node_tasks_total{outcome=\"completed\"} 90\n",
	};
	struct rig r = rig();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		rates_answer(r.rates, "node", "n", 1, 1, texts[i], strlen(texts[i]));
		rates_look(r.rates, (int64_t)i * 1000);
	}
	json_t *list = problems(&r);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "what")),
						"10 % of the executions fail");
	json_decref(list);
	release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(sums_are_over_the_lists),
		cmocka_unit_test(problems_say_what_and_what_to_do),
		cmocka_unit_test(who_is_missing_is_told_after_a_look),
		cmocka_unit_test(without_a_broker_nothing_else_is_judged),
		cmocka_unit_test(many_failures_are_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
