/* Dead letters read, selected, and what of them is sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <cmocka.h>

#include "common/task.h"
#include "router/letter.h"

static const struct bus_header whole[] = {
	{"Task-Id", "order-42"},
	{"task-attempt", "3"},
	{"Task-Epoch", "7"},
	{"Task-Submitted-At", "2026-01-02T03:04:05Z"},
	{"Task-Reply-To", "_INBOX.x"},
	{"Task-Requires", "gpu"},
	{"Task-Deferrals", "2"},
	{"Nats-Msg-Id", "order-42/3/7/dead"},
	{"Nats-Sequence", "9"},
	{"Task-Type", "echo"},
	{"Outcome", "failed"},
	{"Outcome-Reason", "timeout"},
	{"Outcome-Error", "took 5s"},
	{"Outcome-Node", "n1"},
	{"Outcome-Lane", "echo--gpu"},
	{"Outcome-Version", "2.0"},
	{"Task-Expires", "2026-01-02T03:04:06Z"},
	{"task-delay", "1h"},
	{"Task-At", "2026-01-02T03:04:06Z"},
	{"Task-Retry-Of", "order-41"},
	{"Task-Priority", "high"},
	{"Content-Type", "text/plain"},
	{"X-Mine", "1"},
};
static const struct letter_message message = {.subject = "dead.echo",
											  .headers = whole,
											  .nheaders = ARRAY_LEN(whole),
											  .seq = 17,
											  .stored_wall_ns = 1000,
											  .body_len = 5};

static const char *find(const struct header_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcasecmp(l->items[i].name, name) == 0)
			return l->items[i].value;
	}
	return NULL;
}

static void a_letter_is_read_whole(void **state UNUSED)
{
	struct letter l;
	char wanted[FINGERPRINT_MAX + 1];

	letter_read(&message, &l);
	assert_string_equal(l.id, "order-42");
	assert_string_equal(l.type, "echo");
	assert_string_equal(l.reason, "timeout");
	assert_string_equal(l.retry_of, "order-41");
	assert_int_equal(l.attempts, 3);
	assert_int_equal(l.seq, 17);
	assert_int_equal(l.body_len, 5);
	/* One that was put there before there were fingerprints has one all the same. */
	fingerprint_make("echo", "took 5s", "2.0", wanted);
	assert_string_equal(l.fingerprint, wanted);
	assert_null(letter_refusal(&l));
}

static void what_spoke_of_the_first_time_is_not_sent_again(void **state UNUSED)
{
	static const char *const gone[] = {"Task-Attempt",	 "Task-Epoch",	  "Task-Submitted-At",
									   "Task-Reply-To",	 "Task-Deferrals", "Nats-Sequence",
									   "Task-Type",		 "Outcome",		  "Outcome-Reason",
									   "Outcome-Error",	 "Outcome-Node",  "Outcome-Lane",
									   "Outcome-Version", "Task-Expires", "Task-Delay",
									   "Task-At"};
	struct header_list list = {0};
	struct letter l;

	letter_read(&message, &l);
	letter_replay_headers(&message, &l, "order-42.r1", &list);
	for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
		if (find(&list, gone[i]))
			fail_msg("%s was sent again", gone[i]);
	}
	assert_string_equal(find(&list, "Task-Id"), "order-42.r1");
	assert_string_equal(find(&list, "Nats-Msg-Id"), "order-42.r1");
	assert_string_equal(find(&list, "Task-Retry-Of"), "order-42");
	assert_string_equal(find(&list, "Task-Requires"), "gpu");
	assert_string_equal(find(&list, "Task-Priority"), "high");
	assert_string_equal(find(&list, "Content-Type"), "text/plain");
	assert_string_equal(find(&list, "X-Mine"), "1");
	assert_int_equal(list.n, 7);
	header_list_release(&list);
}

static void strangers_letters_say_little(void **state UNUSED)
{
	static const struct {
		const char *what, *subject;
		struct bus_header h;
		const char *refusal;
	} rows[] = {
		{"nothing", "dead.echo", {"X", "y"}, "no id"},
		{"a bad id", "dead.echo", {"Task-Id", "a b"}, "no id"},
		{"no type", "dead._invalid", {"Task-Id", "a"}, "no type"},
		{"two tokens", "dead.a.b", {"Task-Id", "a"}, "no type"},
		{"another subject", "x", {"Task-Id", "a"}, "no type"},
		{"a type", "dead.echo", {"Task-Id", "a"}, NULL},
	};
	static const struct bus_header cut[] = {{"Task-Id", "a"}, {"Outcome-Left-Out", "body"}};
	struct letter l;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct letter_message m = {.subject = rows[i].subject, .headers = &rows[i].h, .nheaders = 1};
		letter_read(&m, &l);
		const char *refusal = letter_refusal(&l);
		if (!refusal != !rows[i].refusal || (refusal && !strstr(refusal, rows[i].refusal)))
			fail_msg("%s: %s", rows[i].what, refusal);
		assert_true(fingerprint_ok(l.fingerprint));
	}
	struct letter_message m = {.subject = "dead.echo", .headers = cut, .nheaders = 2};
	letter_read(&m, &l);
	assert_non_null(strstr(letter_refusal(&l), "not whole"));
}

static void selections_are_read_in_every_form(void **state UNUSED)
{
	static const struct {
		const char *text;
		const char *fault; /* NULL: none */
		struct letter_select s;
	} rows[] = {
		{"", NULL, {.seq = 0}},
		{" \n", NULL, {.seq = 0}},
		{"all\n", NULL, {.all = true}},
		{"order-42", NULL, {.id = "order-42"}},
		{"id:all", NULL, {.id = "all"}},
		{"seq:17", NULL, {.seq = 17}},
		{"type:echo", NULL, {.type = "echo"}},
		{"type:_invalid", NULL, {.type = "_invalid"}},
		{"fingerprint:3fa94c1e02", NULL, {.fingerprint = "3fa94c1e02"}},
		{"{\"type\":\"echo\",\"limit\":5,\"cursor\":\"7\"}", NULL, {.type = "echo", .limit = 5, .from_seq = 7}},
		{"{\"all\":true,\"cursor\":\"7-90\"}", NULL, {.all = true, .from_seq = 7, .upto_seq = 90}},
		{"{\"all\":true,\"by\":\"a b\\n\"}", NULL, {.all = true, .by = "a_b_"}},
		{"{\"seq\":3}", NULL, {.seq = 3}},
		{"type:", "type", {.seq = 0}},
		{"type:a.b", "type", {.seq = 0}},
		{"type:>", "type", {.seq = 0}},
		{"fingerprint:3FA94C1E02", "fingerprint", {.seq = 0}},
		{"seq:0", "seq", {.seq = 0}},
		{"seq:x", "seq", {.seq = 0}},
		{"seq:99999999999999999999", "seq", {.seq = 0}},
		{"a b", "id", {.seq = 0}},
		{"{\"id\":\"a\",\"all\":true}", "one letter", {.seq = 0}},
		{"{\"cursor\":\"-\"}", "cursor", {.seq = 0}},
		{"{\"cursor\":\"7-\"}", "cursor", {.seq = 0}},
		{"{\"kursor\":\"7\"}", "kursor", {.seq = 0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct letter_select s;
		struct err e = {0};
		int rc = letter_select_read(NULL, rows[i].text, strlen(rows[i].text), &s, &e);
		if (!rc != !rows[i].fault || (rc && !strstr(e.text, rows[i].fault)))
			fail_msg("%s: %s", rows[i].text, e.text);
		if (rc)
			continue;
		const struct letter_select *w = &rows[i].s;
		if (!str_eq(s.id, w->id) || s.seq != w->seq || !str_eq(s.type, w->type) ||
			!str_eq(s.fingerprint, w->fingerprint) || s.all != w->all || s.limit != w->limit ||
			s.from_seq != w->from_seq || s.upto_seq != w->upto_seq || !str_eq(s.by, w->by))
			fail_msg("%s: read as something else", rows[i].text);
	}
}

static void letters_are_selected_by_all_that_is_given(void **state UNUSED)
{
	struct letter l;

	letter_read(&message, &l);
	struct letter_select s = {.type = "echo"};
	assert_true(letter_selected(&s, &l));
	snprintf(s.fingerprint, sizeof(s.fingerprint), "%.10s", l.fingerprint);
	assert_true(letter_selected(&s, &l));
	s.after_wall_ns = 1001;
	assert_false(letter_selected(&s, &l));
	s = (struct letter_select){.type = "_invalid"};
	assert_false(letter_selected(&s, &l));
	s = (struct letter_select){.id = "order-4"};
	assert_false(letter_selected(&s, &l));
	s = (struct letter_select){.fingerprint = "0000000000"};
	assert_false(letter_selected(&s, &l));
	s = (struct letter_select){.seq = 18};
	assert_false(letter_selected(&s, &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_letter_is_read_whole),
		cmocka_unit_test(what_spoke_of_the_first_time_is_not_sent_again),
		cmocka_unit_test(strangers_letters_say_little),
		cmocka_unit_test(selections_are_read_in_every_form),
		cmocka_unit_test(letters_are_selected_by_all_that_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
