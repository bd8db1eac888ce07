/* What passes from publisher to handler, and what the router adds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <strings.h>

#include "common/task.h"
#include "router/headers.h"

static const char *find(const struct header_list *l, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < l->n; i++) {
		if (strcasecmp(l->items[i].name, name) != 0)
			continue;
		assert_null(found); /* nothing is there twice */
		found = l->items[i].value;
	}
	return found;
}

static void which_pass(void **state UNUSED)
{
	static const struct {
		const char *name, *value;
		bool passes;
	} rows[] = {
		{"X-Mine", "1", true},
		{"traceparent", "00-ab-cd-01", true},
		{"Content-Type", "text/plain", true},
		{"Task-Priority", "high", true},
		{"Task-Timeout", "3s", true},
		{"Task-Meta", "{}", true},
		{"Task-Attempt", "7", false},
		{"task-attempt", "7", false},
		{"TASK-EPOCH", "1", false},
		{"Task-Flow", "x", false},
		{"Task-Reply-To", "a.b", false},
		{"Task-Due", "x", false},
		{"Task-Submitted-At", "x", false},
		{"Task-Sequence", "1", false},
		{"Task-Deferrals", "1", false},
		{"Task-Waits-Since", "x", false},
		{"Task-Deliveries", "1", false},
		{"Task-Node", "n1", true},
		{"Task-Not-Nodes", "n1", true},
		{"Task-Same-Node-As", "x", true},
		{"Task-Balance", "pull", true},
		{"Task-Id", "x", false},
		{"Task-Type", "x", false},
		{"Task-Requires", "gpu", false},
		{"Outcome", "failed", false},
		{"outcome-error", "x", false},
		{"Outcomes", "x", true},
		{"Nats-Msg-Id", "x", false},
		{"nats-expected-stream", "x", false},
		{"Nats-Rollup", "all", false},
		{"", "x", false},
		{"A B", "x", false},
		{"A:B", "x", false},
		{"A\tB", "x", false},
		{"\xc3\xa4", "x", false},
		{"Fine", "a\r\nb: c", false},
		{"Fine", "\xc3\xa4", true},
		{"Fine", "", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (header_passes(rows[i].name, rows[i].value) != rows[i].passes)
			fail_msg("\"%s: %s\"", rows[i].name, rows[i].value);
	}
}

static struct submission example(const struct bus_header *headers, size_t n)
{
	struct submission s = {.id = "order-42",
						   .class = CLASS_HIGH,
						   .attempt = 2,
						   .epoch = 5,
						   .sequence = 77,
						   .submitted_wall_ns = 1700000000 * NS_PER_S,
						   .headers = headers,
						   .nheaders = n};
	struct err e;

	assert_int_equal(lane_make("summarize", "large,gpu", &s.lane, &e), 0);
	return s;
}

static void a_lane_gets_the_facts_and_what_passes(void **state UNUSED)
{
	static const struct bus_header theirs[] = {{"X-Mine", "1"},
											   {"task-epoch", "99"},
											   {"Nats-Expected-Stream", "X"},
											   {"Task-Priority", "9"},
											   {"Task-Requires", "large,gpu"}};
	struct submission s = example(theirs, ARRAY_LEN(theirs));
	struct header_list l = {0};
	char id[MSG_ID_MAX];

	headers_msg_id(&s, "", id);
	headers_make(&l, TO_LANE, &s, id, NULL);
	assert_string_equal(find(&l, H_MSG_ID), "order-42/2/5");
	assert_string_equal(find(&l, H_TASK_ID), "order-42");
	assert_string_equal(find(&l, H_TASK_ATTEMPT), "2");
	assert_string_equal(find(&l, H_TASK_EPOCH), "5");
	assert_string_equal(find(&l, H_TASK_SEQUENCE), "77");
	assert_string_equal(find(&l, H_TASK_REQUIRES), "gpu,large");
	assert_string_equal(find(&l, H_TASK_SUBMITTED), "2023-11-14T22:13:20.000000Z");
	assert_string_equal(find(&l, "X-Mine"), "1");
	assert_string_equal(find(&l, H_TASK_PRIORITY), "9");
	assert_null(find(&l, "Nats-Expected-Stream"));
	assert_null(find(&l, H_TASK_REPLY_TO));
	assert_null(find(&l, H_TASK_TYPE));
	assert_null(find(&l, H_TASK_DEFERRALS));

	s.reply_to = "_INBOX.a.b";
	s.deferrals = 3;
	s.sequence = 0;
	headers_make(&l, TO_LANE, &s, id, NULL);
	assert_string_equal(find(&l, H_TASK_REPLY_TO), "_INBOX.a.b");
	assert_string_equal(find(&l, H_TASK_DEFERRALS), "3");
	assert_null(find(&l, H_TASK_SEQUENCE));
	header_list_release(&l);
}

static void delayed_tells_type_and_time(void **state UNUSED)
{
	struct submission s = example(NULL, 0);
	struct header_list l = {0};

	s.due_wall_ns = 1700000001 * NS_PER_S;
	headers_make(&l, TO_DELAYED, &s, "x", NULL);
	assert_string_equal(find(&l, H_TASK_TYPE), "summarize");
	assert_string_equal(find(&l, H_TASK_REQUIRES), "gpu,large");
	assert_string_equal(find(&l, H_TASK_DUE), "2023-11-14T22:13:21.000000Z");
	assert_null(find(&l, H_TASK_WAITS_SINCE));
	assert_null(find(&l, H_TASK_DELIVERIES));
	s.waits_since_wall_ns = 1700000000 * NS_PER_S;
	s.deliveries = 3;
	headers_make(&l, TO_DELAYED, &s, "x", NULL);
	assert_string_equal(find(&l, H_TASK_WAITS_SINCE), "2023-11-14T22:13:20.000000Z");
	assert_string_equal(find(&l, H_TASK_DELIVERIES), "3");
	/* A node's own queue tells the type, and nothing of what it waited for before. */
	headers_make(&l, TO_DIRECT, &s, "x", NULL);
	assert_string_equal(find(&l, H_TASK_TYPE), "summarize");
	assert_null(find(&l, H_TASK_WAITS_SINCE));
	assert_string_equal(find(&l, H_TASK_DELIVERIES), "3");
	header_list_release(&l);
}

static void a_dead_letter_says_why_in_one_line(void **state UNUSED)
{
	static const struct bus_header theirs[] = {{"X-Mine", "1"}, {"Outcome-Error", "an older one"}};
	struct submission s = example(theirs, ARRAY_LEN(theirs));
	struct header_list l = {0};
	char words[5000];
	struct burial b = {.reason = "error",
					   .error = "first\r\nNats-Rollup: all",
					   .node = "n1",
					   .started_wall_ns = 1700000000 * NS_PER_S,
					   .finished_wall_ns = 1700000002 * NS_PER_S};

	headers_make(&l, TO_DEAD, &s, "x", &b);
	assert_string_equal(find(&l, H_OUTCOME), "failed");
	assert_string_equal(find(&l, H_OUTCOME_REASON), "error");
	assert_string_equal(find(&l, H_OUTCOME_ERROR), "first  Nats-Rollup: all");
	assert_string_equal(find(&l, H_OUTCOME_NODE), "n1");
	assert_string_equal(find(&l, H_OUTCOME_LANE), "summarize--gpu--large");
	assert_string_equal(find(&l, H_OUTCOME_STARTED), "2023-11-14T22:13:20.000000Z");
	assert_string_equal(find(&l, H_OUTCOME_FINISHED), "2023-11-14T22:13:22.000000Z");
	assert_string_equal(find(&l, H_TASK_TYPE), "summarize");
	assert_string_equal(find(&l, "X-Mine"), "1");

	/* A long one is cut between characters. */
	for (size_t i = 0; i + 2 < sizeof(words); i += 2)
		memcpy(words + i, "\xc3\xa4", 2);
	words[sizeof(words) - 2] = '\0';
	b.error = words;
	headers_make_bare(&l, TO_DEAD, &s, "x", &b);
	assert_int_equal(strlen(find(&l, H_OUTCOME_ERROR)) % 2, 0);
	assert_in_range(strlen(find(&l, H_OUTCOME_ERROR)), OUTCOME_ERROR_MAX - 1, OUTCOME_ERROR_MAX);
	assert_null(find(&l, "X-Mine"));
	header_list_release(&l);
}

static void any_number_of_headers_passes(void **state UNUSED)
{
	static char names[5000][16];
	static struct bus_header theirs[5000];
	struct header_list l = {0};

	for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
		snprintf(names[i], sizeof(names[i]), "X-%zu", i);
		theirs[i] = (struct bus_header){names[i], "v"};
	}
	struct submission s = example(theirs, ARRAY_LEN(theirs));
	headers_make(&l, TO_LANE, &s, "x", NULL);
	assert_true(l.n > ARRAY_LEN(theirs));
	header_list_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_pass),
		cmocka_unit_test(a_lane_gets_the_facts_and_what_passes),
		cmocka_unit_test(delayed_tells_type_and_time),
		cmocka_unit_test(a_dead_letter_says_why_in_one_line),
		cmocka_unit_test(any_number_of_headers_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
