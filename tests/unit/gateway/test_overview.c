/* overview: from samples to numbers, and null for what nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/overview.h"

static json_t *at(json_t *o, const char *a, const char *b)
{
	json_t *v = json_object_get(json_object_get(o, a), b);

	assert_non_null(v);
	return v;
}

static void what_nobody_told_is_null(void **state)
{
	const struct overview_input in = {.dead_letters = -1, .target_s = 0.5};
	json_t *o = overview_json(&in), *p = overview_point(&in, 5), *v;
	static const char *const groups[] = {"rates", "depths", "totals", "wait", "run", "nodes"};
	const char *key;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		json_object_foreach (json_object_get(o, groups[i]), key, v)
			assert_true(json_is_null(v));
	}
	assert_true(json_is_null(at(o, "sla", "compliance")));
	assert_int_equal(json_integer_value(at(o, "sla", "target_ms")), 500);
	assert_int_equal(json_object_size(p), 14);
	json_object_foreach (p, key, v)
		assert_true(str_eq(key, "t") ? json_integer_value(v) == 5 : json_is_null(v));
	json_decref(o);
	json_decref(p);
}

static void depths_are_the_brokers_and_the_rows_where_no_router_answers(void **state)
{
	json_t *lanes =
		json_loads("[{\"queued\":3,\"running\":2},{\"queued\":4,\"running\":0}]", 0, NULL);
	json_t *nodes = json_loads("[{\"state\":\"ready\",\"slots\":10,\"used\":5,\"direct\":1},"
							   "{\"state\":\"draining\",\"slots\":4,\"used\":1},"
							   "{\"state\":\"lost\",\"slots\":100,\"used\":99}]",
							   0, NULL);
	json_t *total = json_loads("{\"total\":{\"scheduled\":9,\"queued\":77,\"running\":66,"
							   "\"completed\":5,\"dead\":3,\"cancelled\":1},\"retrying\":2}",
							   0, NULL);
	json_t *pools = json_loads("[{\"target\":2},{\"target\":3}]", 0, NULL);
	struct overview_input in = {
		.lanes = lanes, .nodes = nodes, .stats = total, .pools = pools, .dead_letters = 8, .target_s = 0.5};
	json_t *o = overview_json(&in), *p = overview_point(&in, 1);

	(void)state;
	assert_int_equal(json_integer_value(at(o, "depths", "queued")),
					 8); /* lanes, and given by name */
	assert_int_equal(json_integer_value(at(o, "depths", "running")),
					 6); /* slots that are used: more than lanes tell */
	assert_int_equal(json_integer_value(at(o, "depths", "scheduled")), 9);
	assert_int_equal(json_integer_value(at(o, "depths", "retrying")), 2);
	assert_int_equal(json_integer_value(at(o, "depths", "dead")), 8);
	assert_int_equal(json_integer_value(at(o, "totals", "submitted")), 161);
	assert_int_equal(json_integer_value(at(o, "nodes", "ready")), 1);
	assert_int_equal(json_integer_value(at(o, "nodes", "draining")), 1);
	assert_int_equal(json_integer_value(at(o, "nodes", "slots")), 14);
	assert_int_equal(json_integer_value(at(o, "nodes", "used")), 6);
	assert_int_equal(json_integer_value(json_object_get(p, "target")), 5);
	json_decref(o);
	json_decref(p);

	in.lanes = NULL;
	o = overview_json(&in);
	assert_int_equal(json_integer_value(at(o, "depths", "queued")), 77);
	assert_int_equal(json_integer_value(at(o, "depths", "running")), 66);
	json_decref(o);
	json_decref(lanes);
	json_decref(nodes);
	json_decref(total);
	json_decref(pools);
}

static void a_bridge_is_no_node_that_a_target_counts(void **state)
{
	json_t *nodes = json_loads("[{\"state\":\"ready\"},{\"state\":\"ready\",\"bridge\":true},"
							   "{\"state\":\"draining\",\"bridge\":true}]",
							   0, NULL);
	const struct overview_input in = {.nodes = nodes, .dead_letters = -1, .target_s = 0.5};
	json_t *o = overview_json(&in), *p = overview_point(&in, 1);

	(void)state;
	assert_int_equal(json_integer_value(at(o, "nodes", "ready")), 2);
	assert_int_equal(json_integer_value(json_object_get(p, "nodes")), 1);
	json_decref(o);
	json_decref(p);
	json_decref(nodes);
}

static void completions_are_the_rows_and_the_counters_where_no_database_answers(void **state)
{
	struct overview_ends ends = {0};
	struct rates *r = rates_new();
	json_t *total = json_object();
	const char *first = "millrace_node_tasks_total{lane=\"a\",outcome=\"completed\"} 1\n",
			   *second = "millrace_node_tasks_total{lane=\"a\",outcome=\"completed\"} 4\n";
	struct overview_input in = {.rates = r, .ends = &ends, .stats = total, .dead_letters = -1, .target_s = 0.5};

	(void)state;
	rates_answer(r, "node", "n", 1, 1, first, strlen(first));
	rates_look(r, 0);
	rates_answer(r, "node", "n", 1, 1, second, strlen(second));
	rates_look(r, 1000);
	/* More than are kept; three seconds of them count. */
	for (int i = 0; i < 20; i++) {
		json_object_set_new(total, "completed", json_integer(100 + i * 5));
		overview_note_stats(&ends, total, i * 1000);
	}
	json_t *o = overview_json(&in);
	assert_true(json_real_value(at(o, "rates", "completed")) == 5.0);
	json_decref(o);
	json_object_set_new(total, "completed", json_integer(0)); /* a database that was emptied */
	overview_note_stats(&ends, total, 20000);
	o = overview_json(&in);
	assert_true(json_real_value(at(o, "rates", "completed")) == 0.0);
	json_decref(o);
	in.stats = NULL;
	o = overview_json(&in);
	assert_true(json_real_value(at(o, "rates", "completed")) == 3.0);
	json_decref(o);
	json_decref(total);
	rates_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_nobody_told_is_null),
		cmocka_unit_test(depths_are_the_brokers_and_the_rows_where_no_router_answers),
		cmocka_unit_test(a_bridge_is_no_node_that_a_target_counts),
		cmocka_unit_test(completions_are_the_rows_and_the_counters_where_no_database_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
