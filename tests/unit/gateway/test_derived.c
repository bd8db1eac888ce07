/* derived: the names of others, made of our own numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "gateway/derived.h"

static void add(struct exposition *x, const char *component, const char *instance, const char *text)
{
	struct err e;

	assert_int_equal(exposition_add(x, component, instance, text, strlen(text), &e), 0);
}

static bool has(const struct buf *text, const char *line)
{
	CLEANUP(free_ptr) char *whole = xasprintf("\n%s\n", line);

	return strstr(text->data, whole);
}

/* How often a line begins like this. */
static unsigned count(const struct buf *text, const char *start)
{
	CLEANUP(free_ptr) char *line = xasprintf("\n%s", start);
	unsigned n = 0;

	for (const char *at = text->data; (at = strstr(at, line)); at++)
		n++;
	return n;
}

static void render(struct exposition *x, const char *lanes, const char *nodes, struct buf *out)
{
	json_t *l = lanes ? json_loads(lanes, 0, NULL) : NULL;
	json_t *n = nodes ? json_loads(nodes, 0, NULL) : NULL;

	buf_add_str(out, "\n");
	derived_render(x, l, n, out);
	json_decref(l);
	json_decref(n);
	exposition_free(x);
}

static void counters_stay_apart_by_instance(void **state)
{
	struct exposition *x = exposition_new();
	CLEANUP(buf_release) struct buf out = {0};

	(void)state;
	add(x, "router", "r1",
		"# TYPE millrace_router_tasks_submitted_total counter\n"
		"millrace_router_tasks_submitted_total{type=\"echo\"} 7\n");
	add(x, "router", "r2",
		"# TYPE millrace_router_tasks_submitted_total counter\n"
		"millrace_router_tasks_submitted_total{type=\"echo\"} 5\n");
	add(x, "store", "s1",
		"# TYPE millrace_store_tasks_completed_total counter\n"
		"millrace_store_tasks_completed_total{type=\"echo\"} 4\n"
		"# TYPE millrace_store_tasks_dead_total counter\n"
		"millrace_store_tasks_dead_total{type=\"echo\"} 0\n");
	render(x, NULL, NULL, &out);
	assert_true(
		has(&out, "tasks_submitted_total{component=\"router\",instance=\"r1\",type=\"echo\"} 7"));
	assert_true(
		has(&out, "tasks_submitted_total{component=\"router\",instance=\"r2\",type=\"echo\"} 5"));
	assert_true(
		has(&out, "tasks_completed_total{component=\"store\",instance=\"s1\",type=\"echo\"} 4"));
	assert_true(
		has(&out, "tasks_failed_total{component=\"store\",instance=\"s1\",type=\"echo\"} 0"));
	assert_int_equal(count(&out, "# TYPE tasks_submitted_total counter\n"), 1);
}

#define HISTOGRAM(lane, a, b, c, sum)                                              \
	"millrace_node_task_seconds_bucket{lane=\"" lane "\",le=\"0.00025\"} " #a "\n" \
	"millrace_node_task_seconds_bucket{lane=\"" lane "\",le=\"2.5\"} " #b "\n"     \
	"millrace_node_task_seconds_bucket{lane=\"" lane "\",le=\"+Inf\"} " #c "\n"    \
	"millrace_node_task_seconds_sum{lane=\"" lane "\"} " #sum "\n"                 \
	"millrace_node_task_seconds_count{lane=\"" lane "\"} " #c "\n"

static void lanes_of_a_type_are_one_histogram_in_milliseconds(void **state)
{
	struct exposition *x = exposition_new();
	CLEANUP(buf_release) struct buf out = {0};

	(void)state;
	add(x, "node", "n1",
		"# TYPE millrace_node_task_seconds histogram\n" HISTOGRAM("echo", 1, 2, 3, 4.5)
			HISTOGRAM("echo--gpu", 10, 20, 30, 0.25) HISTOGRAM("hash", 1, 1, 1, 0.0001));
	render(x, NULL, NULL, &out);
#define OF "{component=\"node\",instance=\"n1\",type=\"echo\""
	assert_true(has(&out, "task_execution_time_ms_bucket" OF ",le=\"0.25\"} 11"));
	assert_true(has(&out, "task_execution_time_ms_bucket" OF ",le=\"2500\"} 22"));
	assert_true(has(&out, "task_execution_time_ms_bucket" OF ",le=\"+Inf\"} 33"));
	assert_true(has(&out, "task_execution_time_ms_sum" OF "} 4750"));
	assert_true(has(&out, "task_execution_time_ms_count" OF "} 33"));
	assert_int_equal(count(&out, "task_execution_time_ms_bucket{"), 6);
	assert_int_equal(count(&out, "# TYPE task_execution_time_ms histogram\n"), 1);
}

static void depth_and_health_are_by_type(void **state)
{
	CLEANUP(buf_release) struct buf out = {0};

	(void)state;
	render(exposition_new(),
		   "{\"lanes\":[{\"type\":\"echo\",\"queued\":3,\"running\":1,\"nodes\":2},"
		   "{\"type\":\"echo\",\"queued\":4,\"running\":0,\"nodes\":0},"
		   "{\"type\":\"lost\",\"queued\":9,\"running\":0,\"nodes\":0},{\"type\":\"a\\\"b\"}]}",
		   "{\"nodes\":[{\"state\":\"ready\",\"types\":[\"echo\",\"new\"]},"
		   "{\"state\":\"draining\",\"types\":[\"echo\",\"old\"]}]}",
		   &out);
	assert_true(has(&out, "queue_depth{type=\"echo\"} 7"));
	assert_true(has(&out, "queue_depth{type=\"lost\"} 9"));
	assert_int_equal(count(&out, "queue_depth{"), 2); /* a type without a lane has no queue */
	assert_true(has(&out, "agent_healthy{type=\"echo\"} 1"));
	assert_true(has(&out, "agent_healthy{type=\"lost\"} 0"));
	assert_true(has(&out, "agent_healthy{type=\"new\"} 1"));
	assert_true(has(&out, "agent_healthy{type=\"old\"} 0"));
	assert_true(has(&out, "millrace_type_nodes{type=\"echo\"} 1"));
	assert_true(has(&out, "millrace_type_running_tasks{type=\"echo\"} 1"));
}

static void what_is_not_known_is_not_told(void **state)
{
	CLEANUP(buf_release) struct buf out = {0}, lanes = {0};

	(void)state;
	render(exposition_new(), NULL, "{\"nodes\":[{\"state\":\"ready\",\"types\":[\"echo\"]}]}",
		   &out);
	assert_string_equal(out.data, "\n");
	render(exposition_new(), "{\"lanes\":[{\"type\":\"echo\",\"queued\":3}]}", NULL, &lanes);
	assert_int_equal(count(&lanes, "queue_depth{"), 1);
	assert_int_equal(count(&lanes, "agent_healthy{"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_stay_apart_by_instance),
		cmocka_unit_test(lanes_of_a_type_are_one_histogram_in_milliseconds),
		cmocka_unit_test(depth_and_health_are_by_type),
		cmocka_unit_test(what_is_not_known_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
