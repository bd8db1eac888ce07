/* words: our records as clients of other systems read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "gateway/words.h"

static json_t *read_json(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

/* What fn makes of the record has these members. */
static void tells(json_t *(*fn)(const json_t *), const char *record, const char *members)
{
	json_t *in = read_json(record), *out = fn(in), *wanted = read_json(members), *value;
	const char *key;

	json_object_foreach (wanted, key, value) {
		if (!json_equal(json_object_get(out, key), value)) {
			char *got = json_dumps(out, 0);
			fail_msg("%s of %s: %s", key, record, got);
		}
	}
	json_decref(in);
	json_decref(out);
	json_decref(wanted);
}

static void a_task_of_a_queue(void **state)
{
	static const struct {
		const char *task, *members;
	} table[] = {
		{"{\"id\":\"a\",\"type\":\"t\",\"state\":\"scheduled\",\"lane\":\"t\"}",
		 "{\"task_id\":\"a\",\"type\":\"t\",\"status\":\"queued\",\"required\":{},\"text\":null,"
		 "\"result\":null,"
		 "\"node\":null}"},
		{"{\"id\":\"a\",\"state\":\"dead\",\"error\":\"boom\",\"lane\":\"t--gpu--model_x\"}",
		 "{\"status\":\"failed\",\"error\":\"boom\",\"required\":{\"gpu\":true,\"model_x\":true}}"},
		{"{\"id\":\"a\",\"state\":\"completed\",\"body\":\"in\",\"result\":\"out\"}",
		 "{\"status\":\"completed\",\"text\":\"in\",\"result\":\"out\"}"},
		{"{\"id\":\"a\",\"state\":\"completed\",\"body_base64\":\"AP8=\",\"result_base64\":\"/"
		 "wA=\"}",
		 "{\"text\":null,\"text_base64\":\"AP8=\",\"result\":null,\"result_base64\":\"/wA=\"}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		tells(words_task, table[i].task, table[i].members);
}

static void a_task_of_a_cluster(void **state)
{
	static const struct {
		const char *task, *members;
	} table[] = {
		{"{\"id\":\"a\",\"type\":\"coder\",\"state\":\"queued\"}",
		 "{\"task_id\":\"a\",\"agent_type\":\"coder\",\"status\":\"queued\",\"result\":null,"
		 "\"description\":null}"},
		{"{\"id\":\"a\",\"state\":\"completed\",\"body\":\"do it\",\"result\":\"{\\\"n\\\":1}\","
		 "\"content_type\":\"application/json\"}",
		 "{\"description\":\"do it\",\"result\":{\"n\":1}}"},
		{"{\"id\":\"a\",\"state\":\"completed\",\"body\":\"{\\\"description\\\":\\\"do "
		 "it\\\"}\",\"result\":\"{1}\","
		 "\"content_type\":\"application/json\"}",
		 "{\"description\":\"do it\",\"result\":\"{1}\"}"},
		{"{\"id\":\"a\",\"state\":\"completed\",\"result\":\"7\",\"content_type\":\"text/plain\"}",
		 "{\"result\":\"7\"}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		tells(words_cluster_task, table[i].task, table[i].members);
}

#define SPAWNED "\"spawned_at\":\"2026-01-01T00:00:00Z\",\"heartbeat_interval_ms\":30000"

static void an_agent_that_is_silent_or_homeless_is_not_well(void **state)
{
	static const struct {
		const char *agent;
		int after_s; /* of 2026-01-01 */
		bool well;
		const char *state;
	} table[] = {
		{"{" SPAWNED ",\"status\":null}", 10, true, "waiting"},
		{"{" SPAWNED ",\"status\":null}", 61, false, "waiting"},
		{"{" SPAWNED ",\"status\":{\"state\":\"idle\",\"heartbeat_at\":\"2026-01-01T00:00:00Z\"}}",
		 90, true, "idle"},
		{"{" SPAWNED ",\"status\":{\"state\":\"busy\",\"heartbeat_at\":\"2026-01-01T00:00:00Z\"}}",
		 91, false, "busy"},
		{"{\"heartbeat_interval_ms\":60000,\"status\":{\"state\":\"busy\",\"heartbeat_at\":\"2026-"
		 "01-01T00:00:00Z\"}}",
		 180, true, "busy"},
		{"{" SPAWNED
		 ",\"status\":{\"state\":\"backoff\",\"heartbeat_at\":\"2026-01-01T00:00:00Z\"}}",
		 1, false, "backoff"},
		{"{" SPAWNED ",\"status\":{\"state\":\"starting\"}}", 5, true, "starting"},
	};
	int64_t start_wall_ns;

	(void)state;
	assert_int_equal(time_parse("2026-01-01T00:00:00Z", &start_wall_ns, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		json_t *agent = read_json(table[i].agent);

		assert_int_equal(!*words_agent_trouble(agent, start_wall_ns + table[i].after_s * NS_PER_S),
						 table[i].well);
		assert_string_equal(words_agent_state(agent), table[i].state);
		json_decref(agent);
	}
}

static void a_node_is_idle_or_busy(void **state)
{
	static const struct {
		const char *node, *state;
		bool well;
	} table[] = {
		{"{\"state\":\"ready\",\"used\":0,\"slots\":4}", "idle", true},
		{"{\"state\":\"ready\",\"used\":1,\"slots\":4}", "busy", true},
		{"{\"state\":\"draining\",\"used\":1}", "draining", true},
		{"{\"state\":\"lost\",\"used\":1}", "lost", false},
		{"{\"state\":\"stopped\"}", "stopped", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		json_t *node = read_json(table[i].node), *worker = words_worker(node, 0);

		assert_string_equal(json_string_value(json_object_get(worker, "status")), table[i].state);
		assert_int_equal(json_is_true(json_object_get(worker, "healthy")), table[i].well);
		json_decref(worker);
		json_decref(node);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_of_a_queue),
		cmocka_unit_test(a_task_of_a_cluster),
		cmocka_unit_test(an_agent_that_is_silent_or_homeless_is_not_well),
		cmocka_unit_test(a_node_is_idle_or_busy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
