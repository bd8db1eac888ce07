/* draft: what a user wants to submit, checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/draft.h"
#include "common/task.h"

static void header_lines_are_checked(void **state)
{
	static const struct {
		const char *line, *name, *value; /* NULL: refused */
	} rows[] = {
		{"X-Trace: abc", "X-Trace", "abc"},
		{"X:", "X", ""},
		{"X:a:b", "X", "a:b"},
		{"traceparent:00-1-2-01", "traceparent", "00-1-2-01"},
		{"Task-Meta:{\"a\":1}", "Task-Meta", "{\"a\":1}"},
		{"no colon", NULL, NULL},
		{":v", NULL, NULL},
		{"a b:v", NULL, NULL},
		{"a\r\nX:v", NULL, NULL},
		{"X:v\r\nY: w", NULL, NULL},
		{"Task-Id:x", NULL, NULL},
		{"nats-msg-id:x", NULL, NULL},
		{"Task-Attempt:9", NULL, NULL},
		{"Nats-Expected-Stream:X", NULL, NULL},
		{"outcome:failed", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct draft d = {0};
		struct err e = {0};
		int rc = draft_add_line(&d, rows[i].line, &e);

		assert_int_equal(rc, rows[i].name ? 0 : ERR_INVALID);
		if (rows[i].name) {
			assert_string_equal(d.headers[0].name, rows[i].name);
			assert_string_equal(d.headers[0].value, rows[i].value);
		} else {
			assert_true(e.text[0] != '\0');
		}
		draft_release(&d);
	}
}

static void an_id_is_also_the_message_id(void **state)
{
	struct draft d = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(draft_id(&d, "order-42", &e), 0);
	assert_string_equal(d.headers[0].name, H_TASK_ID);
	assert_string_equal(d.headers[1].name, H_MSG_ID);
	assert_string_equal(d.headers[1].value, "order-42");
	assert_int_equal(draft_id(&d, "a b", &e), ERR_INVALID);
	draft_release(&d);
}

static void type_and_capabilities_must_make_a_lane(void **state)
{
	struct draft d = {0};
	struct err e = {0};

	(void)state;
	assert_int_equal(draft_type(&d, "tasks.>", &e), ERR_INVALID);
	assert_int_equal(draft_type(&d, "summarize", &e), 0);
	assert_int_equal(draft_requires(&d, "gpu,large", &e), 0);
	assert_int_equal(draft_requires(&d, "a*", &e), ERR_INVALID);
	assert_int_equal(draft_requires(&d, "a,b,c,d,e,f,g,h,i", &e), ERR_INVALID);
	draft_release(&d);
}

static void headers_are_bounded(void **state)
{
	struct draft d = {0};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < DRAFT_HEADERS_MAX; i++)
		assert_int_equal(draft_add_line(&d, "X:y", &e), 0);
	assert_int_equal(draft_add_line(&d, "X:y", &e), ERR_FULL);
	draft_release(&d);
}

static void batch_lines_are_tasks_or_a_sentence(void **state)
{
	static const struct {
		const char *line, *default_type;
		const char *id;   /* NULL: refused */
		const char *text; /* NULL: as it was */
	} rows[] = {
		{"{\"type\":\"echo\",\"payload\":\"x\"}", NULL, "", NULL},
		{"{\"type\":\"echo\",\"id\":\"a.b\"}", "hash", "a.b", NULL},
		{"{\"task_type\":\"echo\",\"task_id\":\"t\"}", NULL, "t", NULL},
		{"{\"payload\":1}", "echo", "", "{\"payload\":1,\"type\":\"echo\"}"},
		{"{\"payload\":1}", NULL, "", NULL}, /* the router's default type */
		{"{\"type\":null}", NULL, "", NULL},
		{"{\"type\":\"a\",\"requires\":[\"gpu\"],\"priority\":\"high\",\"timeout_ms\":5}", NULL, "",
		 NULL},
		{"{\"type\":\"a\",\"required\":{\"gpu\":true},\"priority\":9}", NULL, "", NULL},
		{"{\"type\":\"a\",\"payload\":\"\\u0000\"}", NULL, "", NULL},
		{"", NULL, NULL, NULL},
		{"{", NULL, NULL, NULL},
		{"[]", NULL, NULL, NULL},
		{"{} {}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"type\":\"b\"}", NULL, NULL, NULL},
		{"{\"type\":\"a b\"}", NULL, NULL, NULL},
		{"{\"type\":\"a\\u0000b\"}", NULL, NULL, NULL},
		{"{\"type\":7}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"id\":\"*\"}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"id\":5}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"priority\":10}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"priority\":[]}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"requires\":[1]}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"requires\":\"x y\"}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"timeout_ms\":-1}", NULL, NULL, NULL},
		{"{\"type\":\"a\",\"delay_ms\":\"1s\"}", NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct batch_line line = {0};
		struct err e = {0};
		int rc =
			batch_line_read(rows[i].line, strlen(rows[i].line), rows[i].default_type, &line, &e);

		if (!rows[i].id) {
			assert_int_equal(rc, ERR_INVALID);
			assert_true(e.text[0] != '\0');
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(line.id, rows[i].id);
		if (rows[i].text)
			assert_string_equal(line.text, rows[i].text);
		else
			assert_null(line.text);
		free(line.text);
	}
}

static void a_unique_key_may_have_a_time(void **state)
{
	static const struct {
		const char *text, *key, *ttl; /* key NULL: refused */
	} rows[] = {{"k", "k", NULL},        {"k:10m", "k", "10m"}, {"a:b", "a:b", NULL},
				{"a:b:1h", "a:b", "1h"}, {"", NULL, NULL},      {":10m", NULL, NULL},
				{"a\nb", NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct draft d = {0};
		struct err e = {0};
		int rc = draft_unique(&d, rows[i].text, &e);

		assert_int_equal(rc, rows[i].key ? 0 : ERR_INVALID);
		if (rows[i].key) {
			assert_int_equal(d.nheaders, rows[i].ttl ? 2 : 1);
			assert_string_equal(d.headers[d.nheaders - 1].value, rows[i].key);
			if (rows[i].ttl)
				assert_string_equal(d.headers[0].value, rows[i].ttl);
		}
		draft_release(&d);
	}
}

static void a_backoff_is_what_the_router_reads(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {{"500ms", true}, {"0", true}, {"1s,2,60s", true},  {"1x", false},
				{"1s,0", false}, {"", false}, {"1s,2,3s,4", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct draft d = {0};
		struct err e = {0};
		int rc = draft_backoff(&d, rows[i].text, &e);

		assert_int_equal(rc, rows[i].ok ? 0 : ERR_INVALID);
		assert_int_equal(d.nheaders, rows[i].ok ? 1 : 0);
		if (rows[i].ok)
			assert_string_equal(d.headers[0].value, rows[i].text);
		else
			assert_true(e.text[0] != '\0');
		draft_release(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_lines_are_checked),
		cmocka_unit_test(an_id_is_also_the_message_id),
		cmocka_unit_test(type_and_capabilities_must_make_a_lane),
		cmocka_unit_test(headers_are_bounded),
		cmocka_unit_test(batch_lines_are_tasks_or_a_sentence),
		cmocka_unit_test(a_unique_key_may_have_a_time),
		cmocka_unit_test(a_backoff_is_what_the_router_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
