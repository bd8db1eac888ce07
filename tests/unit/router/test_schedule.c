/* What a schedule has to do now, and under which ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/schedule.h"

#define HOUR 3600
#define MIDNIGHT INT64_C(1767225600) /* 2026-01-01 */

static void the_plan_follows_the_policy(void **state UNUSED)
{
	static const struct {
		const char *what;
		enum catch_up catch_up;
		int64_t base_s, now_s;
		size_t most;
		struct schedule_plan want;
	} rows[] = {
		{"nothing due", CATCH_UP_ALL, 0, 59 * 60, 10, {0}},
		{"on time", CATCH_UP_NONE, 0, HOUR, 10, {.due = 1, .submit = 1, .tick_s = HOUR}},
		{"a little late", CATCH_UP_NONE, 0, HOUR + 30, 10, {.due = 1, .submit = 1, .tick_s = HOUR}},
		{"too late", CATCH_UP_NONE, 0, HOUR + 31, 10, {.due = 1, .tick_s = HOUR}},
		{"some missed, the last on time",
		 CATCH_UP_NONE,
		 0,
		 5 * HOUR + 1,
		 10,
		 {.due = 1, .submit = 1, .left_out = 1, .tick_s = 5 * HOUR}},
		{"last: however late",
		 CATCH_UP_LAST,
		 0,
		 5 * HOUR - 1,
		 10,
		 {.due = 1, .submit = 1, .left_out = 1, .tick_s = 4 * HOUR}},
		{"last: only one",
		 CATCH_UP_LAST,
		 3 * HOUR,
		 5 * HOUR - 1,
		 10,
		 {.due = 1, .submit = 1, .tick_s = 4 * HOUR}},
		{"all: the oldest first",
		 CATCH_UP_ALL,
		 0,
		 5 * HOUR,
		 10,
		 {.due = 1, .submit = 1, .tick_s = HOUR}},
		{"all: the next one",
		 CATCH_UP_ALL,
		 HOUR,
		 5 * HOUR,
		 10,
		 {.due = 1, .submit = 1, .tick_s = 2 * HOUR}},
		{"all: bounded",
		 CATCH_UP_ALL,
		 0,
		 500 * HOUR,
		 10,
		 {.due = 1, .submit = 1, .left_out = 1, .tick_s = 491 * HOUR}},
		{"a clock that went back", CATCH_UP_ALL, 9 * HOUR, 5 * HOUR, 10, {0}},
		{"the last tick again", CATCH_UP_ALL, 5 * HOUR, 5 * HOUR + 9, 10, {0}},
	};
	struct zone utc = {0};
	struct schedule_rule r = {.zone = &utc};
	struct err e;

	assert_int_equal(cron_parse("@hourly", &r.cron, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct schedule_plan want = rows[i].want, got;
		r.catch_up = rows[i].catch_up;
		got =
			schedule_plan(&r, 0, MIDNIGHT + rows[i].base_s, MIDNIGHT + rows[i].now_s, rows[i].most);
		if (got.due != want.due || got.submit != want.submit || got.left_out != want.left_out ||
			got.tick_s != (want.due ? MIDNIGHT + want.tick_s : 0))
			fail_msg("%s: due %d submit %d left out %d tick %+lld s", rows[i].what, got.due,
					 got.submit, got.left_out, (long long)(got.tick_s - MIDNIGHT));
	}
}

static void ids_follow_from_name_and_tick(void **state UNUSED)
{
	char id[TASK_ID_MAX + 1], longest[TOKEN_MAX + 1];

	schedule_task_id("nightly", MIDNIGHT + 3 * HOUR + 4 * 60 + 5, id);
	assert_string_equal(id, "nightly.20260101T030405Z");
	assert_true(task_id_ok(id, strlen(id)));
	schedule_msg_id("nightly", MIDNIGHT + 3 * HOUR + 4 * 60 + 5, id);
	assert_string_equal(id, "nightly@2026-01-01T03:04:05Z");
	memset(longest, 'x', TOKEN_MAX);
	longest[TOKEN_MAX] = '\0';
	schedule_task_id(longest, MIDNIGHT, id);
	assert_true(task_id_ok(id, strlen(id)));
}

static void records_are_judged(void **state UNUSED)
{
	static const struct {
		const char *cron, *tz, *catch_up, *type, *header, *value, *words;
	} rows[] = {
		{"@daily", "", "", "echo", "X-Any", "1", NULL},
		{"@daily", "Europe/Berlin", "all", "echo", "Task-Requires", "gpu,big", NULL},
		{"@daily", "UTC", "last", "echo", "Task-Expires", "90s", NULL},
		{"", "", "", "echo", "X", "1", "cron: is missing"},
		{"@daily", "", "", "", "X", "1", "type: is missing"},
		{"@dayly", "", "", "echo", "X", "1", "cron: \"@dayly\""},
		{"@daily", "Nowhere", "", "echo", "X", "1", "tz: there is no time zone"},
		{"@daily", "/etc/passwd", "", "echo", "X", "1", "tz: "},
		{"@daily", "", "most", "echo", "X", "1", "catch_up: \"most\""},
		{"@daily", "", "", "ec ho", "X", "1", "type: "},
		{"@daily", "", "", "echo", "Task-Requires", "g pu", "type: "},
		{"@daily", "", "", "echo", "Task-Priority", "urgent", "headers: header Task-Priority"},
		{"@daily", "", "", "echo", "Task-Backoff", "x", "headers: Task-Backoff"},
		{"@daily", "", "", "echo", "task-id", "a", "headers: Task-Id"},
		{"@daily", "", "", "echo", "Task-Epoch", "7", "headers: \"Task-Epoch\""},
		{"@daily", "", "", "echo", "Nats-Expected-Stream", "x", "headers: \"Nats-"},
		{"@daily", "", "", "echo", "X", "a\r\nb: c", "headers: \"X\""},
		{"@daily", "", "", "echo", "X Y", "1", "headers: \"X Y\""},
	};
	struct zones *zs = zones_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Millrace__Schedule s = MILLRACE__SCHEDULE__INIT;
		Millrace__Header h = MILLRACE__HEADER__INIT, *headers[] = {&h};
		struct schedule_rule rule;
		struct err e = {0};
		h.name = (char *)rows[i].header;
		h.value = (char *)rows[i].value;
		s.cron = (char *)rows[i].cron;
		s.tz = (char *)rows[i].tz;
		s.catch_up = (char *)rows[i].catch_up;
		s.type = (char *)rows[i].type;
		s.headers = headers;
		s.n_headers = 1;
		int rc = schedule_read(&s, zs, &rule, &e);
		if (rows[i].words ? rc != ERR_INVALID || !strstr(e.text, rows[i].words) : rc != 0)
			fail_msg("row %zu: %d %s; want %s", i, rc, e.text, rows[i].words);
	}
	zones_free(&zs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_follows_the_policy),
		cmocka_unit_test(ids_follow_from_name_and_tick),
		cmocka_unit_test(records_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
