/* act_headers: what a failed attempt tells the router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>
#include <cmocka.h>

#include "common/clock.h"
#include "node/act_headers.h"

static const struct act failed = {
	.id = "job.1",
	.type = "fail",
	.node = "n1",
	.lane = "fail--gpu",
	.reason = "error",
	.error = "boom",
	.attempt = 2,
	.epoch = (UINT64_C(3) << 32) + 17,
	.started_wall_ns = INT64_C(1767323045) * NS_PER_S,
	.finished_wall_ns = INT64_C(1767323046) * NS_PER_S,
};

static struct bus_header made[40];
static struct act_text text;

static const char *value(size_t n, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(made[i].name, name) == 0) {
			assert_null(found); /* each name once */
			found = made[i].value;
		}
	}
	return found;
}

static void the_attempt_is_described(void **state)
{
	(void)state;
	size_t n = act_headers(&failed, NULL, 0, &text, made);

	assert_true(n <= ACT_HEADERS_MAX_ADDED);
	assert_string_equal(value(n, "Nats-Msg-Id"), "job.1/2/12884901905/act");
	assert_string_equal(value(n, "Task-Id"), "job.1");
	assert_string_equal(value(n, "Task-Type"), "fail");
	assert_string_equal(value(n, "Outcome"), "failed");
	assert_string_equal(value(n, "Outcome-Reason"), "error");
	assert_string_equal(value(n, "Outcome-Error"), "boom");
	assert_string_equal(value(n, "Outcome-Node"), "n1");
	assert_string_equal(value(n, "Outcome-Lane"), "fail--gpu");
	assert_string_equal(value(n, "Outcome-Started-At"), "2026-01-02T03:04:05.000000Z");
	assert_string_equal(value(n, "Outcome-Finished-At"), "2026-01-02T03:04:06.000000Z");
	assert_null(value(n, "Outcome-Permanent"));
	assert_null(value(n, "Outcome-Retry-After"));
}

static void permanence_delay_and_return_are_told_where_they_are_so(void **state)
{
	(void)state;
	struct act a = failed;

	a.permanent = true;
	a.returned = true;
	a.retry_after_ns = 1500 * NS_PER_MS;
	size_t n = act_headers(&a, NULL, 0, &text, made);
	assert_true(n <= ACT_HEADERS_MAX_ADDED);
	assert_string_equal(value(n, "Outcome"), "returned");
	assert_string_equal(value(n, "Outcome-Permanent"), "true");
	assert_string_equal(value(n, "Outcome-Retry-After"), "1.5s");
}

static void the_tasks_own_headers_pass_and_those_of_the_broker_do_not(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool passes;
	} rows[] = {
		{"Task-Attempt", true},
		{"Task-Epoch", true},
		{"task-priority", true},
		{"X-Own", true},
		{"Natsy", true},
		{"traceparent", true},
		{"Content-Type", true},
		{"Outcomes", true},
		{"Nats-Expected-Stream", false},
		{"nats-expected-last-sequence", false},
		{"Outcome-Fake", false},
	};
	struct bus_header original[ARRAY_LEN(rows) + 4];
	size_t k = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		original[k++] = (struct bus_header){rows[i].name, "passed"};
	original[k++] = (struct bus_header){"nats-msg-id", "old"};
	original[k++] = (struct bus_header){"TASK-ID", "other"};
	original[k++] = (struct bus_header){"outcome", "completed"};
	original[k++] = (struct bus_header){"task-type", "wrong"};
	size_t n = act_headers(&failed, original, k, &text, made);
	assert_true(n <= k + ACT_HEADERS_MAX_ADDED);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *v = value(n, rows[i].name);
		if (rows[i].passes)
			assert_string_equal(v, "passed");
		else
			assert_null(v);
	}
	assert_string_equal(value(n, "Task-Id"), "job.1");
	assert_string_equal(value(n, "Outcome"), "failed");
	assert_string_equal(value(n, "Task-Type"), "fail");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_attempt_is_described),
		cmocka_unit_test(permanence_delay_and_return_are_told_where_they_are_so),
		cmocka_unit_test(the_tasks_own_headers_pass_and_those_of_the_broker_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
