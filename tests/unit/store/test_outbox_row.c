/* Rows of the outbox as messages, or refused with the column at fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "store/outbox_row.h"

static struct outbox_row row_of(const char *id, const char *type, const char *headers)
{
	return (struct outbox_row){.seq = 1,
							   .id = id,
							   .type = type,
							   .priority = "",
							   .requires = "",
							   .project = "",
							   .headers = headers,
							   .headers_len = strlen(headers),
							   .body = "b",
							   .body_len = 1};
}

static const char *header(const struct outbox_message *m, const char *name)
{
	for (size_t i = 0; i < m->nheaders; i++) {
		if (str_eq(m->headers[i].name, name)) {
			return m->headers[i].value;
		}
	}
	return NULL;
}

static void a_row_is_what_a_publisher_would_send(void **state)
{
	(void)state;
	struct outbox_row r =
		row_of("order-1", "echo", "{\"Task-Timeout\":\"5s\",\"Task-Attempts\":2,\"X-Flag\":true}");
	struct outbox_message m;
	struct err e;
	r.priority = "high";
	r.requires = "gpu,big";
	r.project = "shop";
	r.run_wall_ns = INT64_C(1767225600000000000);
	assert_int_equal(outbox_row_message(&r, &m, &e), 0);
	assert_string_equal(m.subject, "tasks.echo");
	assert_string_equal(header(&m, "Task-Id"), "order-1");
	assert_string_equal(header(&m, "Nats-Msg-Id"), "order-1");
	assert_string_equal(header(&m, "Task-Priority"), "high");
	assert_string_equal(header(&m, "Task-Requires"), "gpu,big");
	assert_string_equal(header(&m, "Task-Project"), "shop");
	assert_string_equal(header(&m, "Task-At"), "2026-01-01T00:00:00.000000Z");
	assert_string_equal(header(&m, "Task-Timeout"), "5s");
	assert_string_equal(header(&m, "Task-Attempts"), "2");
	assert_string_equal(header(&m, "X-Flag"), "true");
	outbox_message_release(&m);
}

static void what_makes_no_task_names_its_column(void **state)
{
	(void)state;
	static const struct {
		const char *id, *type, *headers, *word;
	} rows[] = {
		{"", "echo", "", "id"},
		{"a b", "echo", "", "id"},
		{"a", "", "", "type"},
		{"a", "echo.x", "", "type"},
		{"a", "e\r\nPUB x", "", "type"},
		{"a", "echo", "[]", "headers"},
		{"a", "echo", "\"x\"", "headers"},
		{"a", "echo", "{\"X\":[1]}", "X"},
		{"a", "echo", "{\"X\":null}", "X"},
		{"a", "echo", "{\"X\":\"a\\nb\"}", "X"},
		{"a", "echo", "{\"X\":\"a\\u0000b\"}", "X"},
		{"a", "echo", "{\"a:b\":\"c\"}", "name"},
		{"a", "echo", "{\"task-id\":\"c\"}", "column id"},
		{"a", "echo", "{\"Nats-Expected-Stream\":\"c\"}", "only the system"},
		{"a", "echo", "{\"Task-Attempt\":\"1\"}", "only the system"},
		{"a", "echo", "{\"Task-Timeout\":\"soon\"}", "Task-Timeout"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct outbox_row r = row_of(rows[i].id, rows[i].type, rows[i].headers);
		struct outbox_message m;
		struct err e = {0};
		assert_int_equal(outbox_row_message(&r, &m, &e), ERR_INVALID);
		if (strstr(e.text, rows[i].word) == NULL) {
			fail_msg("row %zu: \"%s\" says nothing of \"%s\"", i, e.text, rows[i].word);
		}
		outbox_message_release(&m);
	}
}

static void headers_are_bounded(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = {0};
	struct outbox_message m;
	struct err e;
	for (int i = 0; i < 80; i++) {
		buf_printf(&text, "%s\"X-%d\":%d", i == 0 ? "{" : ",", i, i);
	}
	buf_add_str(&text, "}");
	struct outbox_row r = row_of("a", "echo", text.data);
	assert_int_equal(outbox_row_message(&r, &m, &e), ERR_INVALID);
	outbox_message_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_is_what_a_publisher_would_send),
		cmocka_unit_test(what_makes_no_task_names_its_column),
		cmocka_unit_test(headers_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
