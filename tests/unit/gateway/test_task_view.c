#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "gateway/task_view.h"

/* The view of a task, as JSON text. */
static json_t *view(const char *text)
{
	json_t *task = json_loads(text, 0, NULL);
	assert_non_null(task);
	json_t *v = task_view(task);

	json_decref(task);
	return v;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void both_vocabularies(void **state UNUSED)
{
	json_t *v = view("{\"id\":\"a\",\"type\":\"t\",\"state\":\"dead\",\"attempt\":3,\"node\":\"n2\",\"error\":\"no\","
					 "\"submitted_at\":\"2026-01-01T00:00:00Z\",\"started_at\":\"2026-01-01T00:00:02Z\","
					 "\"finished_at\":\"2026-01-01T00:00:03.5Z\",\"history\":["
					 "{\"attempt\":1,\"node\":\"n1\",\"outcome\":\"failed\",\"started_at\":\"2026-01-01T00:00:00Z\","
					 "\"finished_at\":\"2026-01-01T00:00:01Z\",\"error\":\"e1\"},"
					 "{\"attempt\":2,\"node\":\"n1\",\"outcome\":\"failed\"}]}");
	const json_t *list = json_object_get(v, "agent_executions"), *m = json_object_get(v, "metrics");

	assert_string_equal(text(v, "task_id"), "a");
	assert_string_equal(text(v, "state"), "dead");
	assert_string_equal(text(v, "status"), "failed");
	assert_int_equal(json_array_size(list), 3); /* the last one is the task itself */
	assert_string_equal(text(json_array_get(list, 0), "error"), "e1");
	assert_float_equal(json_real_value(json_object_get(json_array_get(list, 0), "duration_ms")), 1000, 0.001);
	assert_true(json_is_null(json_object_get(json_array_get(list, 1), "duration_ms")));
	assert_string_equal(text(json_array_get(list, 2), "agent_id"), "n2");
	assert_int_equal(json_integer_value(json_object_get(m, "retry_count")), 2);
	assert_float_equal(json_real_value(json_object_get(m, "total_duration_ms")), 3500, 0.001);
	assert_int_equal(json_array_size(json_object_get(m, "agents_used")), 2);
	json_decref(v);
}

static void output_is_what_it_says_it_is(void **state UNUSED)
{
	json_t *v = view("{\"id\":\"a\",\"state\":\"completed\",\"result\":\"{\\\"n\\\":1}\",\"content_type\":\"application/json\"}");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(v, "output"), "n")), 1);
	json_decref(v);

	v = view("{\"id\":\"a\",\"state\":\"completed\",\"result\":\"{\\\"n\\\":1}\",\"content_type\":\"text/plain\"}");
	assert_string_equal(text(v, "output"), "{\"n\":1}");
	json_decref(v);

	v = view("{\"id\":\"a\",\"state\":\"completed\",\"result\":\"{broken\",\"content_type\":\"application/json\"}");
	assert_string_equal(text(v, "output"), "{broken");
	json_decref(v);

	v = view("{\"id\":\"a\",\"state\":\"completed\",\"result_base64\":\"AP8=\"}");
	assert_string_equal(text(v, "output"), "AP8=");
	json_decref(v);

	v = view("{\"id\":\"a\",\"state\":\"completed\",\"result_object\":\"payloads/result/a\",\"result_bytes\":7}");
	assert_string_equal(text(json_object_get(v, "output"), "object"), "payloads/result/a");
	json_decref(v);

	v = view("{\"id\":\"a\",\"state\":\"running\",\"result\":null}");
	assert_true(json_is_null(json_object_get(v, "output")));
	json_decref(v);
}

static void states(void **state UNUSED)
{
	static const struct {
		const char *state, *status;
		bool ended;
	} rows[] = {{"scheduled", "queued", false}, {"queued", "queued", false},	   {"running", "running", false},
				{"dead", "failed", true},		{"completed", "completed", true}, {"cancelled", "cancelled", true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *task = json_pack("{s:s}", "state", rows[i].state);

		assert_string_equal(task_view_status(rows[i].state), rows[i].status);
		assert_int_equal(task_view_ended(task), rows[i].ended);
		json_decref(task);
	}
}

static void bytes_as_they_are(void **state UNUSED)
{
	CLEANUP(buf_release) struct buf out = {0};
	json_t *task = json_loads("{\"result_base64\":\"AP8=\",\"body\":\"\",\"x_base64\":\"%%\"}", 0, NULL);

	assert_true(task_view_bytes(task, "result", &out));
	assert_int_equal(out.len, 2);
	assert_memory_equal(out.data, "\0\xff", 2);
	assert_true(task_view_bytes(task, "body", &out)); /* empty is not none */
	assert_int_equal(out.len, 2);
	assert_false(task_view_bytes(task, "x", &out));
	assert_false(task_view_bytes(task, "y", &out));
	json_decref(task);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_vocabularies),
		cmocka_unit_test(output_is_what_it_says_it_is),
		cmocka_unit_test(states),
		cmocka_unit_test(bytes_as_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
