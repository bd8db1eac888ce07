/* agent_entry: what an entry of the bucket `agents` means to a node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "node/agent_entry.h"

static void an_entry_is_here_elsewhere_or_garbage(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value, *error; /* NULL: it can be read */
		bool here;
	} rows[] = {
		{"a1", "{\"agent_id\":\"a1\",\"role_type\":\"coder\",\"node\":\"n1\"}", NULL, true},
		{"a.1", "{\"role_type\":\"coder\",\"node\":\"n1\",\"pool_name\":\"agents\",\"what\":[1]}",
		 NULL, true},
		{"a1", "{\"role_type\":\"coder\",\"node\":\"n2\"}", NULL, false},
		{"a1", "{\"role_type\":\"coder\"}", NULL, false},
		{"a1", "{}", NULL, false},
		/* What another node hosts is that node's to judge. */
		{"a1", "{\"role_type\":\"not a role!\",\"node\":\"n2\",\"agent_id\":\"b\"}", NULL, false},
		{"a1", "{\"node\":\"n1\"}", "role_type is empty", false},
		{"a1", "{\"role_type\":\"a b\",\"node\":\"n1\"}", "role_type", false},
		{"a1", "{\"role_type\":\"c\",\"node\":\"n1\",\"agent_id\":\"a2\"}", "not the key", false},
		{"a1", "{\"role_type\":\"c\",\"node\":\"n1\",\"project_id\":\"a\\nb\"}",
		 "control character", false},
		{"a1", "{\"role_type\":\"c\",\"node\":\"n1\",\"heartbeat_interval_ms\":99}", "from 100 to",
		 false},
		{"a1", "{\"role_type\":\"c\",\"node\":\"n1\",\"heartbeat_interval_ms\":-5}", "from 100 to",
		 false},
		{"a1", "{\"role_type\":\"c\",\"node\":\"n1\",\"heartbeat_interval_ms\":3600001}",
		 "from 100 to", false},
		{"a1", "{\"role_type\":7.5e300,\"node\":[]}", "", false},
		{"a1", "hello", "", false},
		{"a1", "", "", false},
		{"a1", "[]", "", false},
		{"a1", "{\"role_type\":", "", false},
		{"a/b", "{\"role_type\":\"c\",\"node\":\"n1\"}", "", false},
		{"-", "\xff\xfe{}", "", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct agent_entry entry = {0};
		struct err e = {0};
		int rc =
			agent_entry_read(rows[i].key, rows[i].value, strlen(rows[i].value), "n1", &entry, &e);
		if ((rc != 0) != (rows[i].error != NULL) ||
			(rows[i].error && !strstr(e.text, rows[i].error)))
			fail_msg("%s %s: %d %s", rows[i].key, rows[i].value, rc, e.text);
		if (rc)
			continue;
		assert_string_equal(entry.id, rows[i].key);
		assert_int_equal(entry.here, rows[i].here);
	}
}

static void what_an_entry_says_is_kept(void **state)
{
	(void)state;
	const char *value = "{\"role_type\":\"coder\",\"node\":\"n1\",\"project_id\":\"atlas\","
						"\"heartbeat_interval_ms\":250}";
	struct agent_entry entry;
	struct err e;

	assert_int_equal(agent_entry_read("a1", value, strlen(value), "n1", &entry, &e), 0);
	assert_string_equal(entry.role, "coder");
	assert_string_equal(entry.project, "atlas");
	assert_int_equal(entry.heartbeat_ms, 250);
	value = "{\"role_type\":\"coder\",\"node\":\"n1\"}";
	assert_int_equal(agent_entry_read("a1", value, strlen(value), "n1", &entry, &e), 0);
	assert_string_equal(entry.project, "");
	assert_int_equal(entry.heartbeat_ms, AGENT_HEARTBEAT_DEFAULT_MS);
}

static void the_longest_project_fits(void **state)
{
	(void)state;
	char value[400], project[AGENT_PROJECT_MAX + 2];
	struct agent_entry entry;
	struct err e;

	for (int more = 0; more <= 1; more++) {
		memset(project, 'p', sizeof(project));
		project[AGENT_PROJECT_MAX + more] = '\0';
		snprintf(value, sizeof(value),
				 "{\"role_type\":\"c\",\"node\":\"n1\",\"project_id\":\"%s\"}", project);
		assert_int_equal(agent_entry_read("a1", value, strlen(value), "n1", &entry, &e),
						 more ? ERR_INVALID : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_here_elsewhere_or_garbage),
		cmocka_unit_test(what_an_entry_says_is_kept),
		cmocka_unit_test(the_longest_project_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
