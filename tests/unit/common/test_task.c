/* A task's facts from headers as strangers write them. The message is a fake: only its headers count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/task.h"

struct bus_msg {
	const struct bus_header *headers;
	size_t n;
};

const struct bus_header *bus_msg_headers(const struct bus_msg *m, size_t *ret_n)
{
	*ret_n = m->n;
	return m->headers;
}

static int read_one(const char *name, const char *value, struct task *t, struct err *e)
{
	struct bus_header h = {name, value};
	struct bus_msg m = {&h, 1};

	return task_read(&m, t, e);
}

static void what_is_unique_or_expires_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *value;
		int64_t ns;
	} rows[] = {{"2h", 7200 * NS_PER_S}, {"0s", NS_PER_MS}, {"Never", TASK_RESULT_NEVER}, {"soon", 0}, {"", 0}};
	struct task t;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = read_one("task-result-expires", rows[i].value, &t, &e);
		assert_int_equal(rc, rows[i].ns ? 0 : ERR_INVALID);
		if (rc == 0)
			assert_true(t.result_keep_ns == rows[i].ns);
		else
			assert_non_null(strstr(e.text, "Task-Result-Expires"));
	}
	assert_int_equal(read_one("Task-Unique", "monthly report", &t, &e), 0);
	assert_string_equal(t.unique, "monthly report");
	assert_int_equal(read_one("Task-Unique", "", &t, &e), 0);
	assert_null(t.unique);
	assert_int_equal(read_one("Task-Unique-For", "10m", &t, &e), 0);
	assert_int_equal(t.unique_for_ns, 600 * NS_PER_S);
	assert_int_equal(read_one("Task-Unique-For", "x", &t, &e), ERR_INVALID);
	assert_int_equal(read_one("Task-Retry-Of", "a b", &t, &e), ERR_INVALID);
}

static void no_headers_are_a_plain_task(void **state)
{
	(void)state;
	struct bus_msg m = {NULL, 0};
	struct task t;
	struct err e;

	assert_int_equal(task_read(&m, &t, &e), 0);
	assert_null(t.id);
	assert_int_equal(t.priority, CLASS_NORMAL);
	assert_int_equal(t.timeout_ns, 0);
	assert_int_equal(t.attempts, 0);
}

static void every_header_is_read_in_any_case(void **state)
{
	(void)state;
	static const struct bus_header headers[] = {
		{"task-id", "order-42.r1"}, {"TASK-PRIORITY", "High"}, {"Task-Requires", "gpu,avx"},
		{"Task-Timeout", "1m30s"}, {"Task-Attempts", "7"}, {"Task-Delay", "200ms"},
		{"Task-At", "2026-01-02T03:04:05Z"}, {"Task-Wait", "10"}, {"Task-Project", "blue"},
		{"Task-Object", "payloads/big.mp4"}, {"Task-Expires", "2026-01-02T03:04:06Z"},
		{"Task-Attempt", "3"}, {"Task-Epoch", "4294967295"}, {"Task-Reply-To", "_INBOX.x"},
		{"Task-Submitted-At", "2026-01-02T03:04:07Z"}, {"Task-Sequence", "18446744073709551615"},
		{"Task-Due", "2026-01-02T03:04:08Z"}, {"content-type", "image/png"}, {"nats-msg-id", "m1"},
		{"Task-Meta", "whatever"}, {"traceparent", "00-\xff"}, {"", ""},
		{"Task-Id", "the second of a name does not count"},
	};
	const int64_t base = INT64_C(1767323045) * NS_PER_S;
	struct bus_msg m = {headers, ARRAY_LEN(headers)};
	struct task t;
	struct err e = {0};

	if (task_read(&m, &t, &e))
		fail_msg("%s", e.text);
	assert_string_equal(t.id, "order-42.r1");
	assert_int_equal(t.priority, CLASS_HIGH);
	assert_string_equal(t.requires, "gpu,avx");
	assert_int_equal(t.timeout_ns, 90 * NS_PER_S);
	assert_int_equal(t.attempts, 7);
	assert_int_equal(t.delay_ns, 200 * NS_PER_MS);
	assert_int_equal(t.at_wall_ns, base);
	assert_int_equal(t.wait_ns, 10 * NS_PER_S);
	assert_string_equal(t.project, "blue");
	assert_string_equal(t.object, "payloads/big.mp4");
	assert_int_equal(t.expires_wall_ns, base + NS_PER_S);
	assert_int_equal(t.attempt, 3);
	assert_int_equal(t.epoch, UINT32_MAX);
	assert_string_equal(t.reply_to, "_INBOX.x");
	assert_int_equal(t.submitted_wall_ns, base + 2 * NS_PER_S);
	assert_true(t.sequence == UINT64_MAX);
	assert_int_equal(t.due_wall_ns, base + 3 * NS_PER_S);
	assert_string_equal(t.content_type, "image/png");
	assert_string_equal(t.msg_id, "m1");
}

static void wrong_values_name_their_header(void **state)
{
	(void)state;
	static const struct bus_header cases[] = {
		{"Task-Id", ""}, {"Task-Id", "a b"}, {"Task-Id", "a..b"}, {"Task-Id", "*"},
		{"task-priority", "urgent"}, {"Task-Priority", "10"}, {"Task-Priority", ""},
		{"Task-Timeout", "soon"}, {"Task-Timeout", "-5s"}, {"Task-Timeout", "0"},
		{"Task-Attempts", "0"}, {"Task-Attempts", "-1"}, {"Task-Attempts", "4x"},
		{"Task-Attempts", " 4"}, {"Task-Attempts", "99999999999999999999999"},
		{"Task-Delay", "x"}, {"Task-At", "tomorrow"}, {"Task-Wait", ""}, {"Task-Expires", "in a while"},
		{"Task-Attempt", "0"}, {"Task-Epoch", "4294967296"}, {"Task-Sequence", "+1"},
		{"Task-Submitted-At", "1"}, {"Task-Due", "x"}, {"Content-Type", "\xff\xfe"},
		{"Task-Project", "\xc0\x80"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct task t = {.attempts = 77};
		struct err e = {0};

		if (read_one(cases[i].name, cases[i].value, &t, &e) != ERR_INVALID)
			fail_msg("%s: \"%s\" was taken", cases[i].name, cases[i].value);
		assert_int_equal(t.attempts, 77);
		assert_true(strncasecmp(e.text + strlen("header "), cases[i].name, strlen(cases[i].name)) == 0);
	}
}

static void empty_texts_are_absent(void **state)
{
	(void)state;
	static const char *const names[] = {"Task-Requires", "Content-Type", "Task-Project",
										"Task-Object", "Task-Reply-To", "Nats-Msg-Id"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct task t;
		struct err e;

		assert_int_equal(read_one(names[i], "", &t, &e), 0);
		assert_null(t.requires);
		assert_null(t.content_type);
		assert_null(t.project);
		assert_null(t.object);
		assert_null(t.reply_to);
		assert_null(t.msg_id);
	}
}

static void priority_has_words_and_digits(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum task_class c;
	} cases[] = {
		{"high", CLASS_HIGH}, {"NORMAL", CLASS_NORMAL}, {"Low", CLASS_LOW}, {"9", CLASS_HIGH},
		{"7", CLASS_HIGH}, {"6", CLASS_NORMAL}, {"3", CLASS_NORMAL}, {"2", CLASS_LOW}, {"0", CLASS_LOW},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum task_class c;
		struct err e;

		assert_int_equal(task_priority_parse(cases[i].text, &c, &e), 0);
		assert_int_equal(c, cases[i].c);
	}
}

static void the_routers_headers_are_reserved(void **state)
{
	(void)state;
	static const char *const yes[] = {
		"Task-Attempt", "task-epoch", "Task-Flow", "TASK-REPLY-TO", "Task-Submitted-At",
		"Task-Sequence", "Task-Due", "Outcome", "outcome-node", "Outcome-New", "Nats-Msg-Id",
		"nats-expected-stream", "Nats-",
	};
	static const char *const no[] = {
		"Task-Attempts", "Task-Id", "Task-Type", "Outcomes", "Out", "N", "", "Content-Type",
		"Natsy", "traceparent", "Task-Backoff", "X-Nats-Msg-Id",
	};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(task_header_reserved(yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_false(task_header_reserved(no[i]));
}

static void execution_epoch_grows_with_both(void **state)
{
	(void)state;
	assert_true(task_execution_epoch(1, 5) == (UINT64_C(1) << 32) + 5);
	assert_true(task_execution_epoch(2, 1) > task_execution_epoch(1, 1000000));
}

static void expiry_is_a_moment_or_a_time_after_the_submission(void **state UNUSED)
{
	static const struct {
		const char *expires, *submitted;
		int64_t at_s, after_s;
	} rows[] = {
		{"1970-01-01T00:01:30Z", NULL, 90, 0},
		{"1970-01-01T00:01:30Z", "1970-01-01T00:00:10Z", 90, 0},
		{"90s", "1970-01-01T00:00:10Z", 100, 90},
		{"1m30s", "1970-01-01T00:00:10Z", 100, 90},
		{"90", "1970-01-01T00:00:10Z", 100, 90},
		{"90s", NULL, 0, 90},
	};
	static const char *const wrong[] = {"soon", "-5s", "2030-01-01", "2030-13-01T00:00:00Z", "T"};
	struct task t;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bus_header h[] = {{"Task-Expires", rows[i].expires},
								 {"Task-Submitted-At", rows[i].submitted}};
		assert_int_equal(task_read_headers(h, rows[i].submitted ? 2 : 1, &t, &e), 0);
		assert_int_equal(t.expires_wall_ns, rows[i].at_s * NS_PER_S);
		assert_int_equal(t.expires_after_ns, rows[i].after_s * NS_PER_S);
	}
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct bus_header h = {"Task-Expires", wrong[i]};
		assert_int_equal(task_read_headers(&h, 1, &t, &e), ERR_INVALID);
		assert_non_null(strstr(e.text, "Task-Expires"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expiry_is_a_moment_or_a_time_after_the_submission),
		cmocka_unit_test(no_headers_are_a_plain_task),
		cmocka_unit_test(what_is_unique_or_expires_is_read),
		cmocka_unit_test(every_header_is_read_in_any_case),
		cmocka_unit_test(wrong_values_name_their_header),
		cmocka_unit_test(empty_texts_are_absent),
		cmocka_unit_test(priority_has_words_and_digits),
		cmocka_unit_test(the_routers_headers_are_reserved),
		cmocka_unit_test(execution_epoch_grows_with_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
