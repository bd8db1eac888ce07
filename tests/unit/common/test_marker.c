/* marker: what keys and values of the bucket `cancels` mean, and whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/marker.h"

static struct marker parsed(const char *key, const char *value)
{
	struct marker m;
	struct err e;
	assert_int_equal(marker_parse(key, value, strlen(value), 1000, &m, &e), 0);
	return m;
}

static void what_is_written_is_what_is_read(void **state)
{
	(void)state;
	static const struct marker all[] = {
		{.kind = MARKER_TASK, .id = "order-42.r1"},
		{.kind = MARKER_TASK, .id = "a", .early = true},
		{.kind = MARKER_GROUP, .id = "g1", .type = "t", .lane = "t--gpu", .project = "a \"b\""},
		{.kind = MARKER_GROUP, .id = "g2", .project = "p", .until_wall_ns = 5000000000},
		{.kind = MARKER_MOVE, .id = "x", .node = "n1", .epoch = 7},
		{.kind = MARKER_MOVE, .id = "x", .not_node = "n1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		char key[MARKER_KEY_MAX + 1];
		CLEANUP(buf_release) struct buf value = {0};
		struct marker m, want = all[i];
		struct err e;
		marker_key(&all[i], key);
		marker_value(&all[i], "me", &value);
		want.stored_wall_ns = 9;
		memset(&m, 0, sizeof(m));
		assert_int_equal(marker_parse(key, value.data, value.len, 9, &m, &e), 0);
		assert_int_equal(m.kind, want.kind);
		assert_string_equal(m.id, want.id);
		assert_string_equal(m.type, want.type);
		assert_string_equal(m.lane, want.lane);
		assert_string_equal(m.project, want.project);
		assert_string_equal(m.node, want.node);
		assert_string_equal(m.not_node, want.not_node);
		assert_int_equal(m.early, want.early);
		assert_int_equal(m.epoch, want.epoch);
		assert_int_equal(m.until_wall_ns, want.until_wall_ns);
		assert_int_equal(m.stored_wall_ns, 9);
	}
}

static void what_nobody_of_ours_wrote_is_refused_with_a_sentence(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
	} bad[] = {
		{"order-42", "{}"},
		{"task.", "{}"},
		{"task.a..b", "{}"},
		{"task.a", "no json"},
		{"task.a", "[]"},
		{"group.g", "{}"},
		{"group.g", "{\"type\":\"a b\"}"},
		{"group.g", "{\"lane\":\"--\"}"},
		{"group.g", "{\"type\":\"t\",\"until\":\"soon\"}"},
		{"move.a", "{}"},
		{"move.a", "{\"node\":\"*\"}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct marker m;
		struct err e = {0};
		assert_int_equal(marker_parse(bad[i].key, bad[i].value, strlen(bad[i].value), 1, &m, &e),
						 ERR_INVALID);
		assert_non_null(strstr(e.text, "marker"));
	}
}

static void whom_a_marker_means(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
		struct marked_task task;
		bool meant;
	} cases[] = {
		{"task.a", "{}", {"a", "t", "t", NULL, 5000}, true},
		{"task.a", "{}", {"b", "t", "t", NULL, 5}, false},
		/* A marker of an id that was not known means what came before it. */
		{"task.a", "{\"early\":true}", {"a", "t", "t", NULL, 1000}, true},
		{"task.a", "{\"early\":true}", {"a", "t", "t", NULL, 1001}, false},
		{"group.g", "{\"type\":\"t\"}", {"a", "t", "t--gpu", NULL, 1000}, true},
		{"group.g", "{\"type\":\"t\"}", {"a", "t", "t--gpu", NULL, 1001}, false},
		{"group.g", "{\"type\":\"t\"}", {"a", "u", "u", NULL, 1}, false},
		{"group.g", "{\"lane\":\"t\"}", {"a", "t", "t--gpu", NULL, 1}, false},
		{"group.g", "{\"lane\":\"t--gpu\"}", {"a", "t", "t--gpu", NULL, 1}, true},
		{"group.g", "{\"project\":\"p\"}", {"a", "t", "t", NULL, 1}, false},
		{"group.g", "{\"project\":\"p\"}", {"a", "t", "t", "p", 1}, true},
		{"group.g", "{\"type\":\"t\",\"project\":\"p\"}", {"a", "u", "u", "p", 1}, false},
		{"move.a", "{\"node\":\"n\"}", {"a", "t", "t", NULL, 1}, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct marker m = parsed(cases[i].key, cases[i].value);
		assert_int_equal(marker_cancels(&m, &cases[i].task), cases[i].meant);
	}
}

static void where_a_task_may_run(void **state)
{
	(void)state;
	struct marker only = parsed("move.a", "{\"node\":\"n1\"}"),
				  but = parsed("move.a", "{\"not_node\":\"n1\"}"), none = parsed("task.a", "{}");
	assert_false(marker_excludes(&only, "n1"));
	assert_true(marker_excludes(&only, "n2"));
	assert_true(marker_excludes(&but, "n1"));
	assert_false(marker_excludes(&but, "n2"));
	assert_false(marker_excludes(&none, "n1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_what_is_read),
		cmocka_unit_test(what_nobody_of_ours_wrote_is_refused_with_a_sentence),
		cmocka_unit_test(whom_a_marker_means),
		cmocka_unit_test(where_a_task_may_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
