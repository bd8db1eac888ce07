/* What the broker's answers say about where a message is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base64.h"
#include "store/audit_stream.h"

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(j);
	return j;
}

static void a_stream_is_read(void **state)
{
	(void)state;
	struct audit_stream s;
	struct err e;
	json_t *j = parse("{\"state\":{\"messages\":3,\"first_seq\":5,\"last_seq\":9,\"num_deleted\":2,"
					  "\"deleted\":[6,8]}}");
	assert_int_equal(audit_stream_read(j, &s, &e), 0);
	assert_int_equal(s.messages, 3);
	assert_int_equal(s.first_seq, 5);
	assert_int_equal(s.last_seq, 9);
	assert_int_equal(s.holes, 2);
	assert_int_equal(json_array_size(s.deleted), 2);
	json_decref(j);
	static const char *const bad[] = {"{}", "[]", "{\"state\":{}}",
									  "{\"state\":{\"messages\":\"x\",\"last_seq\":1}}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		j = parse(bad[i]);
		assert_int_equal(audit_stream_read(j, &s, &e), ERR_PROTOCOL);
		json_decref(j);
	}
}

static void absent_is_said_of_what_can_never_be_there_again(void **state)
{
	(void)state;
	static const struct {
		struct audit_stream s;
		uint64_t seq;
		enum audit_place place;
	} rows[] = {
		{{.messages = 3, .first_seq = 5, .last_seq = 9}, 4, AUDIT_ABSENT},
		{{.messages = 3, .first_seq = 5, .last_seq = 9}, 5, AUDIT_THERE_PERHAPS},
		{{.messages = 3, .first_seq = 5, .last_seq = 9}, 9, AUDIT_THERE_PERHAPS},
		/* it may have come since */
		{{.messages = 3, .first_seq = 5, .last_seq = 9}, 10, AUDIT_THERE_PERHAPS},
		{{.messages = 0, .first_seq = 10, .last_seq = 9}, 9, AUDIT_ABSENT},
		{{.messages = 0, .first_seq = 10, .last_seq = 9}, 10, AUDIT_THERE_PERHAPS},
		/* never used: what claims to be in it will have come since */
		{{.messages = 0}, 1, AUDIT_THERE_PERHAPS},
		{{.gone = true}, 1, AUDIT_ABSENT},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(audit_stream_has(&rows[i].s, rows[i].seq), rows[i].place);
	}
}

static void a_consumer_has_passed_what_it_acked(void **state)
{
	(void)state;
	static const struct {
		struct audit_consumer c;
		uint64_t seq;
		enum audit_passed passed;
	} rows[] = {
		{{.delivered_seq = 14, .floor_seq = 9, .pending = 5, .unacked = 1}, 9, AUDIT_PASSED},
		{{.delivered_seq = 14, .floor_seq = 9, .pending = 5, .unacked = 1}, 10, AUDIT_NOT_YET},
		{{.delivered_seq = 10, .floor_seq = 9, .unacked = 1}, 10, AUDIT_NOT_YET},
		{{.delivered_seq = 9, .floor_seq = 9, .pending = 1}, 10, AUDIT_NOT_YET},
		/* passed over: the last ones were gone before they could be delivered */
		{{.delivered_seq = 10, .floor_seq = 9}, 10, AUDIT_PASSED},
		{{.delivered_seq = 10, .floor_seq = 9, .pending = 2}, 10, AUDIT_PASSED},
		/* it may not have heard of 10 yet, which was stored before its answer was asked for */
		{{.delivered_seq = 9, .floor_seq = 9}, 10, AUDIT_SAYS_SO},
		{{0}, 1, AUDIT_SAYS_SO},
		/* nothing was ever in the stream */
		{{0}, 0, AUDIT_PASSED},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(audit_consumer_passed(&rows[i].c, rows[i].seq), rows[i].passed);
	}
}

static void a_consumer_is_read(void **state)
{
	(void)state;
	struct audit_consumer c;
	struct err e;
	json_t *j = parse("{\"delivered\":{\"stream_seq\":9},\"ack_floor\":{\"stream_seq\":7},"
					  "\"num_pending\":5,\"num_ack_pending\":2,"
					  "\"config\":{\"filter_subject\":\"events.act\"}}");
	assert_int_equal(audit_consumer_read(j, &c, &e), 0);
	assert_int_equal(c.delivered_seq, 9);
	assert_int_equal(c.floor_seq, 7);
	assert_int_equal(c.pending, 5);
	assert_int_equal(c.unacked, 2);
	assert_string_equal(c.filter, "events.act");
	json_decref(j);
	j = parse("{\"delivered\":{\"stream_seq\":9},\"ack_floor\":{\"stream_seq\":7}}");
	assert_int_equal(audit_consumer_read(j, &c, &e), 0);
	assert_string_equal(c.filter, "");
	json_decref(j);
	static const char *const bad[] = {"{}", "[]", "{\"delivered\":{\"stream_seq\":9}}",
									  "{\"ack_floor\":{\"stream_seq\":9},\"delivered\":9}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		j = parse(bad[i]);
		assert_int_equal(audit_consumer_read(j, &c, &e), ERR_PROTOCOL);
		json_decref(j);
	}
}

static void a_message_has_its_sequence(void **state)
{
	(void)state;
	json_t *j = parse("{\"message\":{\"subject\":\"events.act\",\"seq\":12}}");
	assert_int_equal(audit_message_seq(j), 12);
	json_decref(j);
	j = parse("{\"error\":{\"err_code\":10037}}");
	assert_int_equal(audit_message_seq(j), 0);
	json_decref(j);
}

static void a_message_is_a_tasks_by_its_header(void **state)
{
	(void)state;
	static const struct {
		const char *headers;
		bool is;
	} rows[] = {
		{"NATS/1.0\r\nTask-Id: t-1\r\n\r\n", true},
		{"NATS/1.0\r\nX: y\r\ntask-id:t-1\r\n\r\n", true},
		{"NATS/1.0\r\nTask-Id: t-11\r\n\r\n", false},
		{"NATS/1.0\r\nTask-Id: t-\r\n\r\n", false},
		{"NATS/1.0\r\nTask-Identity: t-1\r\n\r\n", false},
		{"NATS/1.0\r\nX: Task-Id: t-1\r\n\r\n", false},
		{"NATS/1.0\r\nTask-Id: t-1", true},
		{"", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf text = {0};
		base64_encode(rows[i].headers, strlen(rows[i].headers), &text);
		json_t *j = json_pack("{s:{s:s}}", "message", "hdrs", text.len > 0 ? text.data : "");
		assert_int_equal(audit_message_is(j, "t-1"), rows[i].is);
		json_decref(j);
	}
	/* What can't be read may be it. */
	json_t *odd = parse("{\"message\":{\"hdrs\":\"***\"}}"), *none = parse("{}"),
		   *bare = parse("{\"message\":{}}");
	assert_true(audit_message_is(odd, "t-1"));
	assert_true(audit_message_is(none, "t-1"));
	assert_false(audit_message_is(bare, "t-1"));
	json_decref(odd);
	json_decref(none);
	json_decref(bare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_is_read),
		cmocka_unit_test(absent_is_said_of_what_can_never_be_there_again),
		cmocka_unit_test(a_consumer_has_passed_what_it_acked),
		cmocka_unit_test(a_consumer_is_read),
		cmocka_unit_test(a_message_has_its_sequence),
		cmocka_unit_test(a_message_is_a_tasks_by_its_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
