/* health_view: each thing that can be wrong is said once, worst first, with what to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/buf.h"
#include "common/health_view.h"

static void answer(struct rates *r, const char *service, const char *text)
{
	rates_answer(r, service, service, 1, 1, text, strlen(text));
}

/* All components there; store_text and router_text: what those two say. */
static struct rates *components(const char *store_text, const char *router_text)
{
	struct rates *r = rates_new();

	answer(r, "router", router_text);
	answer(r, "store", store_text);
	answer(r, "scaler", "");
	answer(r, "node", "");
	rates_look(r, 0);
	return r;
}

static const char ready[] =
	"[{\"name\":\"n\",\"state\":\"ready\",\"types\":[\"echo\"],\"slots\":10,\"used\":0}]";

/* "critical: what | remedy", of each problem, a line each. */
static char *problems(const json_t *health)
{
	struct buf out = {0};
	const json_t *p;
	size_t i;

	buf_add_str(&out, "");
	json_array_foreach (json_object_get(health, "problems"), i, p) {
		assert_true(strlen(json_string_value(json_object_get(p, "remedy"))) > 0);
		buf_printf(&out, "%s: %s\n", json_string_value(json_object_get(p, "level")),
				   json_string_value(json_object_get(p, "what")));
	}
	return buf_take(&out);
}

static void each_fault_is_said(void **state)
{
	static const struct {
		const char *lanes, *nodes, *pools, *checks, *store, *router;
		const char *said; /* "": nothing is wrong */
	} rows[] = {
		{NULL, ready, NULL, NULL, "", "", ""},
		{NULL, "[]", NULL, NULL, "", "", "critical: there is no node: tasks wait in their lanes\n"},
		{"[{\"name\":\"sum\",\"type\":\"sum\",\"queued\":4,\"nodes\":0}]", ready, NULL, NULL, "",
		 "", "critical: no node serves lane sum, where 4 tasks wait: no node handles type sum\n"},
		{"[{\"name\":\"sum\",\"type\":\"sum\",\"queued\":0,\"nodes\":0}]", ready, NULL, NULL, "",
		 "", ""},
		{"[{\"name\":\"e\",\"paused\":true,\"reason\":\"by hand\",\"queued\":2,\"nodes\":1}]",
		 ready, NULL, NULL, "", "", "warning: lane e is paused: by hand; 2 tasks wait\n"},
		{"[{\"name\":\"e\",\"queued\":81,\"limit\":100,\"nodes\":1,\"running\":1}]", ready, NULL,
		 NULL, "", "", "warning: lane e holds 81 of at most 100 tasks\n"},
		{NULL,
		 "[{\"name\":\"n\",\"state\":\"ready\"},{\"name\":\"m\",\"state\":\"lost\",\"heartbeat_age_"
		 "s\":17.3}]",
		 NULL, NULL, "", "",
		 "warning: node m is lost: no heartbeat for 10 s; its tasks go to others\n"},
		{NULL, ready, "[{\"pool_name\":\"p\",\"suspended\":true}]", NULL, "", "",
		 "critical: pool p is suspended: its nodes die soon after their start, so none is "
		 "started\n"},
		{NULL, ready,
		 "[{\"pool_name\":\"p\",\"waiting\":1,\"target\":4,\"max\":4,\"oldest_s\":9,\"promise_s\":"
		 "2}]",
		 NULL, "", "",
		 "warning: pool p has all the 4 nodes it may have, and tasks wait longer than promised\n"},
		{NULL, ready, NULL,
		 "[{\"check\":\"disk\",\"host\":\"h\",\"level\":\"critical\",\"value\":95,\"limit\":90},"
		 "{\"check\":\"cpu\",\"host\":\"h\",\"level\":\"ok\",\"value\":5,\"limit\":90}]",
		 "", "", "critical: h: disk is 95 % full (limit 90 %)\n"},
		{NULL, ready, NULL, NULL, "millrace_audit_drift{lane=\"a\"} 2\n", "",
		 "warning: the audit misses 2 tasks: unfinished, and in no stream\n"},
		{NULL, ready, NULL, NULL, "millrace_store_lag_messages 60000\n", "",
		 "warning: the store is behind: 60000 events wait for it\n"},
		/* worst first */
		{NULL, ready, NULL, NULL, "millrace_audit_drift 2\n", "millrace_router_shed_level 1\n",
		 "critical: submissions of low priority are refused: a stream that every task needs is "
		 "nearly full\n"
		 "warning: the audit misses 2 tasks: unfinished, and in no stream\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rates *r = components(rows[i].store, rows[i].router);
		json_t *lanes = rows[i].lanes ? json_loads(rows[i].lanes, 0, NULL) : NULL,
			   *nodes = json_loads(rows[i].nodes, 0, NULL),
			   *pools = rows[i].pools ? json_loads(rows[i].pools, 0, NULL) : NULL,
			   *checks = rows[i].checks ? json_loads(rows[i].checks, 0, NULL) : NULL,
			   *standing = json_object();
		const struct health_input in = {.broker = true,
										.broker_why = "",
										.asked = true,
										.database = 1,
										.database_why = "",
										.rates = r,
										.lanes = lanes,
										.nodes = nodes,
										.pools = pools,
										.checks = checks};
		json_t *health = health_view(&in, standing);
		CLEANUP(free_ptr) char *said = problems(health);

		assert_string_equal(said, rows[i].said);
		assert_int_equal(json_is_true(json_object_get(health, "ok")),
						 strncmp(said, "critical", 8) != 0);
		json_decref(health);
		json_decref(lanes);
		json_decref(nodes);
		json_decref(pools);
		json_decref(checks);
		json_decref(standing);
		rates_free(r);
	}
}

static void who_is_missing_is_said(void **state)
{
	struct rates *r = rates_new();
	json_t *standing = json_object();
	struct health_input in = {.broker = true,
							  .broker_why = "",
							  .asked = true,
							  .database = 0,
							  .database_why = "refused",
							  .rates = r};

	(void)state;
	rates_look(r, 0);
	json_t *health = health_view(&in, standing);
	char *said = problems(health);
	assert_non_null(strstr(said, "critical: no router answers"));
	assert_non_null(strstr(said, "critical: no store answers"));
	assert_non_null(strstr(said, "critical: there is no node"));
	assert_non_null(strstr(said, "warning: no scaler answers"));
	assert_null(strstr(said, "database")); /* nobody could tell */
	free(said);
	json_decref(health);

	answer(r, "store", "");
	rates_look(r, 1000);
	health = health_view(&in, standing);
	said = problems(health);
	assert_non_null(strstr(said, "critical: the database is away"));
	assert_non_null(strstr(said, "refused"));
	free(said);
	json_decref(health);

	/* Nobody was asked yet: nobody is missed. */
	in.asked = false;
	health = health_view(&in, standing);
	assert_true(json_is_true(json_object_get(health, "ok")));
	json_decref(health);

	/* A broker that is away hides the rest. */
	in = (struct health_input){
		.broker_why = "refused", .asked = true, .database = 1, .database_why = "", .rates = r};
	health = health_view(&in, standing);
	assert_int_equal(json_array_size(json_object_get(health, "problems")), 1);
	assert_false(json_is_true(json_object_get(health, "ok")));
	assert_false(json_is_true(json_object_get(json_object_get(health, "database"), "ok")));
	json_decref(health);
	json_decref(standing);
	rates_free(r);
}

static void a_lane_is_stuck_after_a_while_and_only_where_a_slot_is_free(void **state)
{
	struct rates *r = components("", "");
	json_t *lanes =
			   json_loads("[{\"name\":\"e\",\"queued\":3,\"running\":0,\"nodes\":1}]", 0, NULL),
		   *nodes = json_loads(ready, 0, NULL), *standing = json_object();
	struct health_input in = {.broker = true,
							  .broker_why = "",
							  .asked = true,
							  .database = 1,
							  .database_why = "",
							  .rates = r,
							  .lanes = lanes,
							  .nodes = nodes};
	static const struct {
		int64_t at_ms;
		int running, used;
		bool stuck;
	} steps[] = {
		{1000, 0, 0, false},   {15999, 0, 0, false},  {16000, 0, 0, true},
		{17000, 1, 1, false},  {18000, 0, 0, false},  /* it ran: from the beginning */
		{33000, 0, 0, true},   {34000, 0, 10, false}, /* all slots are taken: it waits its turn */
		{60000, 0, 10, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		in.now_mono_ms = steps[i].at_ms;
		json_object_set_new(json_array_get(lanes, 0), "running", json_integer(steps[i].running));
		json_object_set_new(json_array_get(nodes, 0), "used", json_integer(steps[i].used));
		json_t *health = health_view(&in, standing);
		CLEANUP(free_ptr) char *said = problems(health);

		assert_int_equal(strstr(said, "lane e is stuck") != NULL, steps[i].stuck);
		json_decref(health);
	}
	json_object_set_new(json_array_get(nodes, 0), "used", json_integer(0));
	json_decref(health_view(&in, standing));
	assert_int_equal(json_object_size(standing), 1);
	json_array_clear(lanes); /* a lane that went is forgotten */
	json_decref(health_view(&in, standing));
	assert_int_equal(json_object_size(standing), 0);
	json_decref(lanes);
	json_decref(nodes);
	json_decref(standing);
	rates_free(r);
}

static void dead_letters_that_rise_and_failures_are_said(void **state)
{
	struct rates *r = components("", "millrace_router_tasks_dead_total{reason=\"error\"} 5\n");
	json_t *nodes = json_loads(ready, 0, NULL), *standing = json_object();
	const struct health_input in = {.broker = true,
									.broker_why = "",
									.asked = true,
									.database = 1,
									.database_why = "",
									.rates = r,
									.nodes = nodes};
	json_t *health;
	char *said;

	(void)state;
	answer(r, "router", "millrace_router_tasks_dead_total{reason=\"error\"} 7\n");
	answer(r, "store", "");
	answer(r, "scaler", "");
	answer(r, "node",
		   "millrace_node_tasks_total{lane=\"a\",outcome=\"failed\"} 10\n"
		   "millrace_node_tasks_total{lane=\"a\",outcome=\"completed\"} 90\n");
	rates_look(r, 1000);
	health = health_view(&in, standing);
	said = problems(health);
	assert_non_null(strstr(said, "dead letters rise: 2 tasks died within the last minute"));
	assert_non_null(strstr(said, "10 % of the executions fail"));
	assert_true(json_is_true(json_object_get(health, "ok"))); /* warnings both */
	free(said);
	json_decref(health);
	json_decref(nodes);
	json_decref(standing);
	rates_free(r);
}

static void a_thousand_faults_are_counted_not_listed(void **state)
{
	struct rates *r = components("", "");
	json_t *lanes = json_array(), *nodes = json_loads(ready, 0, NULL), *standing = json_object();
	const struct health_input in = {.broker = true,
									.broker_why = "",
									.asked = true,
									.database = 1,
									.database_why = "",
									.rates = r,
									.lanes = lanes,
									.nodes = nodes};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "t%d", i);
		json_array_append_new(
			lanes, json_pack("{s:s, s:s, s:i}", "name", name, "type", name, "queued", 1));
	}
	json_t *health = health_view(&in, standing);
	json_t *list = json_object_get(health, "problems");

	assert_int_equal(json_array_size(list), HEALTH_PROBLEMS_MAX + 1);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, HEALTH_PROBLEMS_MAX), "what")),
		"and 950 more");
	json_decref(health);
	json_decref(lanes);
	json_decref(nodes);
	json_decref(standing);
	rates_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_said),
		cmocka_unit_test(who_is_missing_is_said),
		cmocka_unit_test(a_lane_is_stuck_after_a_while_and_only_where_a_slot_is_free),
		cmocka_unit_test(dead_letters_that_rise_and_failures_are_said),
		cmocka_unit_test(a_thousand_faults_are_counted_not_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
