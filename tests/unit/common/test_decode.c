/* From messages to submissions: what is understood, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <strings.h>

#include "common/codec.h"
#include "common/task.h"
#include "proto/task.pb-c.h"
#include "common/decode.h"

#define STORED (1700000000 * NS_PER_S)
static const struct decode_rules rules = {
	.default_type = "fallback", .body_max_bytes = 1000, .stream_created_s = 1700000000};

struct result {
	struct submission s;
	struct err e;
	int rc;
};

static struct result decode(const char *subject, const void *body, size_t len,
							const struct bus_header *h, size_t n)
{
	struct result r = {0};
	struct arrival a = {.subject = subject,
						.headers = h,
						.nheaders = n,
						.body = body,
						.body_len = len,
						.sequence = 7,
						.stored_wall_ns = STORED};

	r.rc = decode_submission(&rules, &a, &r.s, &r.e);
	return r;
}

static const char *header(const struct submission *s, const char *name)
{
	for (size_t i = 0; i < s->nheaders; i++) {
		if (strcasecmp(s->headers[i].name, name) == 0)
			return s->headers[i].value;
	}
	return NULL;
}

static void plain_tasks(void **state UNUSED)
{
	static const struct bus_header h[] = {
		{"task-priority", "HIGH"},     {"Task-Requires", "large, gpu,gpu"},
		{"Task-Timeout", "30s"},       {"Task-Attempts", "9"},
		{"Task-Attempt", "x"},         {"Task-Epoch", "77"},
		{"Content-Type", "image/png"}, {"Task-Project", "p"}};
	struct result r = decode("tasks.thumb", "\0\xff\n", 3, h, ARRAY_LEN(h));

	assert_int_equal(r.rc, 0);
	assert_string_equal(r.s.id, "s44we8-7");
	assert_string_equal(r.s.lane.name, "thumb--gpu--large");
	assert_int_equal(r.s.class, CLASS_HIGH);
	assert_int_equal(r.s.timeout_ns, 30 * NS_PER_S);
	assert_int_equal(r.s.attempts, 9);
	assert_int_equal(r.s.attempt, 1);
	assert_int_equal(r.s.epoch, 1);
	assert_int_equal(r.s.sequence, 7);
	assert_int_equal(r.s.submitted_wall_ns, STORED);
	assert_string_equal(r.s.content_type, "image/png");
	assert_string_equal(r.s.project, "p");
	assert_int_equal(r.s.body_len, 3);
	assert_null(r.s.kept); /* no memory is taken */

	r = decode("tasks.echo", "", 0, NULL, 0);
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.s.lane.name, "echo");
	assert_int_equal(r.s.class, CLASS_NORMAL);
}

static void ids(void **state UNUSED)
{
	static const struct {
		struct bus_header h[2];
		const char *id;
	} rows[] = {
		{{{"Task-Id", "order-42"}, {"X", ""}}, "order-42"},
		{{{"nats-msg-id", "order-43"}, {"X", ""}}, "order-43"},
		{{{"Nats-Msg-Id", "m"}, {"Task-Id", "t"}}, "t"},
		{{{"Nats-Msg-Id", "a.b"}, {"X", ""}}, "a.b"},
		{{{"Nats-Msg-Id", ""}, {"X", ""}}, "s44we8-7"},
		/* printf 'a b' | sha256sum | cut -c1-32 */
		{{{"Nats-Msg-Id", "a b"}, {"X", ""}}, "hc8687a08aa5d6ed2044328fa6a697ab8"},
		{{{"Nats-Msg-Id", ">"}, {"X", ""}}, "h62b67e1f685b7fef51102005dddd2777"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct result r = decode("tasks.echo", "x", 1, rows[i].h, 2);
		assert_int_equal(r.rc, 0);
		assert_string_equal(r.s.id, rows[i].id);
	}
}

static void times(void **state UNUSED)
{
	static const struct {
		struct bus_header h[2];
		int64_t due_ns;
	} rows[] = {
		{{{"Task-Delay", "3s"}, {"X", ""}}, STORED + 3 * NS_PER_S},
		{{{"Task-Delay", "0"}, {"X", ""}}, 0},
		{{{"Task-At", "2023-11-14T22:13:30Z"}, {"X", ""}}, STORED + 10 * NS_PER_S},
		{{{"Task-At", "2001-01-01T00:00:00Z"}, {"X", ""}}, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct result r = decode("tasks.echo", "x", 1, rows[i].h, 2);
		assert_int_equal(r.rc, 0);
		assert_int_equal(r.s.due_wall_ns, rows[i].due_ns);
	}
}

static void refusals_say_why_and_keep_id_and_type(void **state UNUSED)
{
	static char long_type[400];
	static char big[1001];
	snprintf(long_type, sizeof(long_type), "tasks.%0300d", 1);
	const struct {
		const char *subject, *body;
		struct bus_header h;
		const char *words; /* in the sentence */
		const char *id, *type;
	} rows[] = {
		{"tasks.a*", "", {"X", ""}, "'*'", "s44we8-7", ""},
		{"tasks.>", "", {"X", ""}, "'>'", "s44we8-7", ""},
		{"tasks.a b", "", {"X", ""}, "a space", "s44we8-7", ""},
		{"tasks.a\r\nPUB", "", {"X", ""}, "0x0d", "s44we8-7", ""},
		{"tasks.$JS", "", {"X", ""}, "'$'", "s44we8-7", ""},
		{"tasks.a--b", "", {"X", ""}, "two together", "s44we8-7", ""},
		{"tasks.", "", {"X", ""}, "empty", "s44we8-7", ""},
		{long_type, "", {"X", ""}, "300 characters", "s44we8-7", ""},
		{"flows.x", "", {"X", ""}, "nothing takes tasks on", "s44we8-7", ""},
		{"tasks.echo", "", {"Task-Id", "a b"}, "Task-Id", "s44we8-7", "echo"},
		{"tasks.echo", "", {"Task-Priority", "urgent"}, "Task-Priority", "s44we8-7", "echo"},
		{"tasks.echo", "", {"Task-Timeout", "soon"}, "Task-Timeout", "s44we8-7", "echo"},
		{"tasks.echo", "", {"Task-Attempts", "0"}, "Task-Attempts", "s44we8-7", "echo"},
		{"tasks.echo", "", {"Task-Backoff", "x"}, "Task-Backoff", "s44we8-7", "echo"},
		{"tasks.echo", "", {"Task-Requires", "g p u"}, "required capability", "s44we8-7", "echo"},
		{"tasks.echo",
		 "",
		 {"Task-Requires", "a,b,c,d,e,f,g,h,i"},
		 "more than 8",
		 "s44we8-7",
		 "echo"},
		{"tasks.echo", big, {"X", ""}, "1001 bytes, 1000 is the most", "s44we8-7", "echo"},
		{"tasks", big, {"Task-Id", "mine"}, "1001 bytes", "mine", ""},
		{"tasks", "", {"X", ""}, "is empty", "s44we8-7", ""},
		{"tasks", "hello", {"X", ""}, "neither JSON", "s44we8-7", ""},
		{"tasks", "{\"type\":\"a\"", {"X", ""}, "line 1, column", "s44we8-7", ""},
		{"tasks", "[1]", {"Content-Type", "application/json"}, "one JSON object", "s44we8-7", ""},
		{"tasks",
		 "{\"type\":7}",
		 {"X", ""},
		 "\"type\" must be a string such as \"summarize\", not a number",
		 "s44we8-7",
		 ""},
		{"tasks", "{\"type\":\"a.b\"}", {"X", ""}, "'.'", "s44we8-7", ""},
		{"tasks", "{\"type\":\"a\\u0000b\"}", {"X", ""}, "NUL", "s44we8-7", ""},
		{"tasks",
		 "{\"type\":\"a\",\"priority\":\"x\"}",
		 {"X", ""},
		 "Task-Priority",
		 "s44we8-7",
		 "a"},
		{"tasks", "{\"type\":\"a\",\"priority\":12}", {"X", ""}, "Task-Priority", "s44we8-7", "a"},
		{"tasks", "{\"type\":\"a\",\"id\":\"x y\"}", {"X", ""}, "Task-Id", "s44we8-7", "a"},
		{"tasks",
		 "{\"type\":\"a\",\"required\":{\"gpu\":[1]}}",
		 {"X", ""},
		 "\"required\"",
		 "s44we8-7",
		 ""},
		{"tasks", "{\"type\":\"a\",\"requires\":[\"a\\nb\"]}", {"X", ""}, "0x0a", "s44we8-7", "a"},
		{"tasks", "{\"type\":\"a\",\"timeout_ms\":-1}", {"X", ""}, "timeout_ms", "s44we8-7", ""},
		{"tasks",
		 "{\"type\":\"a\",\"payload_base64\":\"!\"}",
		 {"X", ""},
		 "payload_base64",
		 "s44we8-7",
		 ""},
		{"tasks",
		 "{\"specversion\":\"1.0\",\"type\":\"a\"}",
		 {"X", ""},
		 "CloudEvent",
		 "s44we8-7",
		 ""},
	};

	memset(big, 'x', sizeof(big));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = rows[i].body == big ? sizeof(big) : strlen(rows[i].body);
		struct result r = decode(rows[i].subject, rows[i].body, len, &rows[i].h, 1);
		if (r.rc != ERR_INVALID || !strstr(r.e.text, rows[i].words))
			fail_msg("row %zu (%s): %d \"%s\"", i, rows[i].subject, r.rc, r.e.text);
		if (!str_eq(r.s.id, rows[i].id) || !str_eq(r.s.lane.type, rows[i].type))
			fail_msg("row %zu (%s): id \"%s\" type \"%s\"", i, rows[i].subject, r.s.id,
					 r.s.lane.type);
		submission_release(&r.s);
	}
}

static void specs_in_json(void **state UNUSED)
{
	static const struct {
		const char *body, *lane, *payload;
		const char *name, *value; /* a header that it makes; value NULL: must not be there */
	} rows[] = {
		{"{\"type\":\"summarize\",\"text\":\"hi \\u00e4\",\"required\":{\"gpu\":true}}",
		 "summarize--gpu", "hi \xc3\xa4", "Task-Requires", "gpu"},
		{"{\"text\":\"no type\"}", "fallback", "no type", "Content-Type", NULL},
		{"{\"text\":\"null type\",\"type\":null}", "fallback", "null type", "Content-Type", NULL},
		{"{\"type\":\"a\"}", "a", "", "Content-Type", NULL},
		{"{\"type\":\"a\",\"payload\":{\"x\": 0.1}}", "a", "{\"x\": 0.1}", "Content-Type",
		 "application/json"},
		{"{\"type\":\"a\",\"payload\":[1,2]}", "a", "[1,2]", "Content-Type", "application/json"},
		{"{\"type\":\"a\",\"payload\":false}", "a", "false", "Content-Type", "application/json"},
		{"{\"type\":\"a\",\"payload\":\"s\",\"text\":\"t\"}", "a", "s", "Content-Type", NULL},
		{"{\"type\":\"a\",\"payload\":{},\"content_type\":\"x/y\"}", "a", "{}", "Content-Type",
		 "x/y"},
		{"{\"type\":\"a\",\"payload_base64\":\"aGk=\"}", "a", "hi", "Content-Type", NULL},
		{" {\"type\":\"a\",\"inputs\":[{\"type\":\"text\"}]}", "a",
		 " {\"type\":\"a\",\"inputs\":[{\"type\":\"text\"}]}", "Content-Type", "application/json"},
		{"{\"type\":\"a\",\"required\":{\"gpu\":true,\"model\":\"x\",\"slow\":false,\"big\":null,"
		 "\"mem\":16}}",
		 "a--gpu--mem_16--model_x", "", "Task-Requires", "gpu,model_x,mem_16"},
		{"{\"type\":\"a\",\"requiredCapabilities\":[\"b\",\"a\"]}", "a--a--b", "", "Task-Requires",
		 "b,a"},
		{"{\"type\":\"a\",\"requires\":\"x,y\",\"required\":{\"z\":true}}", "a--x--y--z", "",
		 "Task-Requires", "x,y,z"},
		{"{\"task_type\":\"a\",\"task_id\":\"i-1\"}", "a", "", "Task-Id", "i-1"},
		{"{\"type\":\"a\",\"id\":17}", "a", "", "Task-Id", "17"},
		{"{\"type\":\"a\",\"priority\":9}", "a", "", "Task-Priority", "9"},
		{"{\"type\":\"a\",\"priority\":\"low\"}", "a", "", "Task-Priority", "low"},
		{"{\"type\":\"a\",\"timeout_ms\":1500}", "a", "", "Task-Timeout", "1500ms"},
		{"{\"type\":\"a\",\"timeout\":\"2m\"}", "a", "", "Task-Timeout", "2m"},
		{"{\"type\":\"a\",\"timeout\":2.5}", "a", "", "Task-Timeout", "2500ms"},
		{"{\"type\":\"a\",\"attempts\":2}", "a", "", "Task-Attempts", "2"},
		{"{\"type\":\"a\",\"maxRetries\":3}", "a", "", "Task-Attempts", "4"},
		{"{\"type\":\"a\",\"unique\":\"k1\"}", "a", "", "Task-Unique", "k1"},
		{"{\"type\":\"a\",\"unique\":\"k\",\"unique_for\":\"10m\"}", "a", "", "Task-Unique-For",
		 "10m"},
		{"{\"type\":\"a\",\"uniqueFor\":90}", "a", "", "Task-Unique-For", "90000ms"},
		{"{\"type\":\"a\",\"result_expires\":\"never\"}", "a", "", "Task-Result-Expires", "never"},
		{"{\"type\":\"a\",\"resultExpires\":60}", "a", "", "Task-Result-Expires", "60000ms"},
		{"{\"type\":\"a\",\"project_id\":\"p\"}", "a", "", "Task-Project", "p"},
		{"{\"type\":\"a\",\"metadata\":{\"report_title\":\"\\u00e4\",\"max_persons\":0.1}}", "a",
		 "", "Task-Meta", "{\"report_title\":\"\\u00E4\",\"max_persons\":0.1}"},
		{"{\"type\":\"a\",\"affinity\":{\"requiredWorker\":\"n1\",\"excludedWorkers\":[\"n2\","
		 "\"n3\"]}}",
		 "a", "", "Task-Not-Nodes", "n2,n3"},
		{"{\"type\":\"a\",\"headers\":{\"X-Mine\":\"1\",\"Task-Epoch\":\"9\"}}", "a", "", "X-Mine",
		 "1"},
		{"{\"type\":\"a\",\"headers\":{\"Task-Epoch\":\"9\"}}", "a", "", "Task-Epoch", NULL},
		{"{\"type\":\"a\",\"unheard_of\":{\"x\":1}}", "a", "", "unheard_of", NULL},
		{"{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/"
		 "s\",\"type\":\"com.example.made\",\"data\":{\"a\":1}}",
		 "com_example_made", "{\"a\":1}", "ce-source", "/s"},
		{"{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/"
		 "s\",\"type\":\"x\",\"datacontenttype\":\"text/plain\","
		 "\"data\":\"t\"}",
		 "x", "t", "Content-Type", "text/plain"},
		{"{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/"
		 "s\",\"type\":\"x\",\"data_base64\":\"aGk=\"}",
		 "x", "hi", "ce-id", "e1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct result r = decode("tasks", rows[i].body, strlen(rows[i].body), NULL, 0);
		if (r.rc)
			fail_msg("%s: %s", rows[i].body, r.e.text);
		assert_string_equal(r.s.lane.name, rows[i].lane);
		if (r.s.body_len != strlen(rows[i].payload) ||
			memcmp(r.s.body, rows[i].payload, r.s.body_len) != 0)
			fail_msg("%s: body \"%.*s\"", rows[i].body, (int)r.s.body_len, (const char *)r.s.body);
		const char *value = header(&r.s, rows[i].name);
		if (!value != !rows[i].value || (value && !str_eq(value, rows[i].value)))
			fail_msg("%s: %s is \"%s\"", rows[i].body, rows[i].name, value ? value : "absent");
		submission_release(&r.s);
	}
}

static void a_spec_wins_over_its_messages_headers(void **state UNUSED)
{
	static const char body[] =
		"{\"type\":\"a\",\"id\":\"of-spec\",\"priority\":\"low\",\"payload\":{}}";
	static const struct bus_header h[] = {{"Task-Priority", "high"},
										  {"Content-Type", "application/json"},
										  {"Task-Id", "of-message"},
										  {"traceparent", "t"},
										  {"Task-Timeout", "7s"}};
	struct result r = decode("tasks", body, sizeof(body) - 1, h, ARRAY_LEN(h));

	assert_int_equal(r.rc, 0);
	assert_string_equal(r.s.id, "of-spec");
	assert_int_equal(r.s.class, CLASS_LOW);
	assert_int_equal(r.s.timeout_ns, 7 * NS_PER_S);
	assert_string_equal(header(&r.s, "traceparent"), "t");
	submission_release(&r.s);
}

static void a_cloudevents_id_need_not_fit(void **state UNUSED)
{
	static const char body[] =
		"{\"specversion\":\"1.0\",\"id\":\"a b\",\"source\":\"/s\",\"type\":\"x\"}";
	struct result r = decode("tasks", body, sizeof(body) - 1, NULL, 0);

	assert_int_equal(r.rc, 0);
	assert_string_equal(r.s.id, "hc8687a08aa5d6ed2044328fa6a697ab8");
	submission_release(&r.s);
}

static void specs_in_protobuf(void **state UNUSED)
{
	Millrace__TaskSpec spec = MILLRACE__TASK_SPEC__INIT;
	Millrace__Header one = MILLRACE__HEADER__INIT, *headers[] = {&one};
	char *requires[] = {"gpu", "big"};
	CLEANUP(buf_release) struct buf b = {0};

	spec.id = "p-1";
	spec.type = "thumb";
	spec.payload.data = (uint8_t *)"\0\1\2";
	spec.payload.len = 3;
	spec.priority = "9";
	spec.requires = requires;
	spec.n_requires = 2;
	spec.timeout_ms = 250;
	spec.attempts = 2;
	spec.delay_ms = 1500;
	one.name = "X-Mine";
	one.value = "1";
	spec.headers = headers;
	spec.n_headers = 1;
	codec_pack(&spec.base, &b);
	struct result r = decode("tasks", b.data, b.len, NULL, 0);
	assert_int_equal(r.rc, 0);
	assert_string_equal(r.s.id, "p-1");
	assert_string_equal(r.s.lane.name, "thumb--big--gpu");
	assert_int_equal(r.s.class, CLASS_HIGH);
	assert_int_equal(r.s.timeout_ns, 250 * NS_PER_MS);
	assert_int_equal(r.s.attempts, 2);
	assert_int_equal(r.s.due_wall_ns, STORED + 1500 * NS_PER_MS);
	assert_string_equal(header(&r.s, "X-Mine"), "1");
	assert_int_equal(r.s.body_len, 3);
	assert_memory_equal(r.s.body, "\0\1\2", 3);
	submission_release(&r.s);

	/* Cut anywhere, it is refused or understood, never more. */
	for (size_t len = 1; len < b.len; len++) {
		char *cut = xmemdup0(b.data, len);
		r = decode("tasks", cut, len, NULL, 0);
		assert_true(r.rc == 0 || r.rc == ERR_INVALID);
		submission_release(&r.s);
		free(cut);
	}
}

static void requests_have_no_sequence(void **state UNUSED)
{
	struct submission s;
	struct err e;
	struct arrival a = {
		.subject = "run.echo", .body = "x", .body_len = 1, .stored_wall_ns = STORED};

	assert_int_equal(decode_submission(&rules, &a, &s, &e), 0);
	assert_string_equal(s.id, "");
	assert_string_equal(s.lane.name, "echo");
}

static void what_comes_back_is_read_whole(void **state UNUSED)
{
	static const struct bus_header h[] = {{"Task-Id", "t"},
										  {"Task-Attempt", "2"},
										  {"Task-Epoch", "5"},
										  {"Task-Sequence", "9"},
										  {"Task-Deferrals", "3"},
										  {"Task-Attempts", "6"},
										  {"Task-Reply-To", "_INBOX.x"},
										  {"Outcome-Lane", "a--gpu"},
										  {"Task-Waits-Since", "2023-11-14T22:13:21Z"},
										  {"Task-Deliveries", "4"},
										  {"Task-Node", "n1?"},
										  {"Task-Submitted-At", "2023-11-14T22:13:20Z"}};
	struct arrival a = {.subject = "events.act",
						.headers = h,
						.nheaders = ARRAY_LEN(h),
						.body = "x",
						.body_len = 1};
	struct submission s;
	struct err e;

	assert_int_equal(decode_returned(&a, &s, &e), 0);
	assert_string_equal(s.id, "t");
	assert_string_equal(s.lane.name, "a--gpu");
	assert_int_equal(s.attempt, 2);
	assert_int_equal(s.epoch, 5);
	assert_int_equal(s.sequence, 9);
	assert_int_equal(s.deferrals, 3);
	assert_int_equal(s.deliveries, 4);
	assert_int_equal(s.waits_since_wall_ns, STORED + NS_PER_S);
	assert_string_equal(s.node, "n1?");
	assert_int_equal(s.attempts, 6);
	assert_string_equal(s.reply_to, "_INBOX.x");
	assert_int_equal(s.submitted_wall_ns, STORED);
}

static void what_comes_back_wrong_is_refused(void **state UNUSED)
{
	static const struct {
		struct bus_header h[3];
		const char *words;
	} rows[] = {
		{{{"X", ""}, {"X", ""}, {"X", ""}}, "Task-Id"},
		{{{"Task-Id", "t"}, {"X", ""}, {"X", ""}}, "Outcome-Lane"},
		{{{"Task-Id", "t"}, {"Outcome-Lane", "a.b"}, {"X", ""}}, "lane"},
		{{{"Task-Id", "t"}, {"Outcome-Lane", "a--c--b"}, {"X", ""}}, "no lane"},
		{{{"Task-Id", "t"}, {"Task-Type", "*"}, {"X", ""}}, "type"},
		{{{"Task-Id", "t"}, {"Task-Type", "a"}, {"Task-Epoch", "-1"}}, "Task-Epoch"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arrival a = {.subject = "events.act",
							.headers = rows[i].h,
							.nheaders = 3,
							.body = "",
							.body_len = 0};
		struct submission s;
		struct err e = {0};
		assert_int_equal(decode_returned(&a, &s, &e), ERR_INVALID);
		if (!strstr(e.text, rows[i].words))
			fail_msg("row %zu: %s", i, e.text);
	}
}

static void an_owned_submission_outlives_its_message(void **state UNUSED)
{
	struct bus_header h[] = {{strdup("Content-Type"), strdup("text/plain")},
							 {strdup("Task-Project"), strdup("p")},
							 {strdup("Task-Node"), strdup("n1")},
							 {strdup("Task-Same-Node-As"), strdup("t1")},
							 {strdup("Task-Not-Nodes"), strdup("n2,n3")}};
	char *body = strdup("hello");
	struct result r = decode("tasks.echo", body, 5, h, ARRAY_LEN(h));

	submission_own(&r.s);
	for (size_t i = 0; i < ARRAY_LEN(h); i++) {
		free((void *)(uintptr_t)h[i].name);
		free((void *)(uintptr_t)h[i].value);
	}
	free(body);
	assert_string_equal(r.s.content_type, "text/plain");
	assert_string_equal(r.s.project, "p");
	assert_string_equal(r.s.node, "n1");
	assert_string_equal(r.s.same_node_as, "t1");
	assert_string_equal(r.s.not_nodes, "n2,n3");
	assert_string_equal(header(&r.s, "Task-Project"), "p");
	assert_memory_equal(r.s.body, "hello", 5);
	submission_release(&r.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_tasks),
		cmocka_unit_test(ids),
		cmocka_unit_test(times),
		cmocka_unit_test(refusals_say_why_and_keep_id_and_type),
		cmocka_unit_test(specs_in_json),
		cmocka_unit_test(a_spec_wins_over_its_messages_headers),
		cmocka_unit_test(a_cloudevents_id_need_not_fit),
		cmocka_unit_test(specs_in_protobuf),
		cmocka_unit_test(requests_have_no_sequence),
		cmocka_unit_test(what_comes_back_is_read_whole),
		cmocka_unit_test(what_comes_back_wrong_is_refused),
		cmocka_unit_test(an_owned_submission_outlives_its_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
