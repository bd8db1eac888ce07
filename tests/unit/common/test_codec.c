/* Records to and from JSON and protobuf, and what strangers may send in their place. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/base64.h"
#include "common/codec.h"
#include "proto/api.pb-c.h"
#include "proto/event.pb-c.h"
#include "proto/task.pb-c.h"

static void text_of(const ProtobufCMessage *m, unsigned flags, struct buf *out)
{
	buf_reset(out);
	codec_to_json_text(m, flags, out);
}

static ProtobufCMessage *read_ok(const ProtobufCMessageDescriptor *d, const char *text, unsigned flags)
{
	ProtobufCMessage *m = NULL;
	struct err e = {0};

	if (codec_from_json_text(d, text, strlen(text), flags, &m, &e))
		fail_msg("%s: %s", text, e.text);
	return m;
}

static void read_fails(const ProtobufCMessageDescriptor *d, const char *text, const char *words)
{
	ProtobufCMessage *m = NULL;
	struct err e = {0};

	assert_int_not_equal(codec_from_json_text(d, text, strlen(text), 0, &m, &e), 0);
	assert_null(m);
	if (!strstr(e.text, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, e.text, words);
}

static void outcome_round_trips(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"{\"id\":\"a\",\"type\":\"echo\",\"state\":\"completed\",\"attempt\":1,\"epoch\":4294967297,"
		"\"started_at\":\"2026-01-02T03:04:05.678901Z\",\"result\":\"hello\"}",
		"{\"id\":\"a\",\"result_base64\":\"iVBORwA=\"}",
		"{\"epoch\":\"18446744073709551615\"}",
		"{\"error\":\"\u00e4\u6f22\xf0\x9f\x98\x80\"}",
		"{}",
	};
	CLEANUP(buf_release) struct buf packed = {0}, text = {0};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		ProtobufCMessage *m = read_ok(&millrace__outcome__descriptor, texts[i], 0);
		ProtobufCMessage *again = NULL;
		struct err e;

		buf_reset(&packed);
		codec_pack(m, &packed);
		assert_int_equal(codec_unpack(&millrace__outcome__descriptor, packed.data, packed.len,
									  &again, &e), 0);
		text_of(again, 0, &text);
		assert_string_equal(text.data, texts[i]);
		codec_free(m);
		codec_free(again);
	}
	codec_free(NULL);
}

static void all_writes_what_is_absent(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = {0};
	Millrace__Lane lane = MILLRACE__LANE__INIT;
	Millrace__Task task = MILLRACE__TASK__INIT;

	lane.name = (char *)"echo";
	text_of(&lane.base, CODEC_ALL, &text);
	assert_string_equal(text.data,
		"{\"name\":\"echo\",\"type\":null,\"requires\":[],\"queued\":0,\"running\":0,\"scheduled\":0,"
		"\"paused\":false,\"bytes\":0,\"limit\":0,\"nodes\":0,\"high\":0,\"normal\":0,\"low\":0,"
		"\"created_at\":null,\"reason\":null,\"until_at\":null,\"rate_per_s\":0.0,"
		"\"concurrency\":0,\"key_concurrency\":0,\"purging\":false,\"purged\":0,\"purged_at\":null,\"oldest_at\":null,\"came\":0}");
	task.duration_ms = (double)NAN;
	task.wait_ms = 0;
	text_of(&task.base, CODEC_ALL, &text);
	assert_non_null(strstr(text.data, "\"state\":null"));
	assert_non_null(strstr(text.data, "\"priority\":\"high\""));
	assert_non_null(strstr(text.data, "\"duration_ms\":null,\"wait_ms\":0.0,\"result\":null"));
	assert_non_null(strstr(text.data, "\"headers\":{},\"history\":[]"));
	text_of(&task.base, 0, &text);
	assert_string_equal(text.data, "{\"priority\":\"high\",\"wait_ms\":0.0}");
}

static void headers_are_an_object(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = {0};
	ProtobufCMessage *m = read_ok(&millrace__queued__descriptor,
								  "{\"headers\":{\"Task-Meta\":\"x\",\"n\":5},\"body\":\"b\"}", 0);
	Millrace__Queued *q = (Millrace__Queued *)m;

	assert_int_equal(q->n_headers, 2);
	assert_string_equal(q->headers[0]->name, "Task-Meta");
	assert_string_equal(q->headers[1]->value, "5");
	q->headers[1]->name[0] = '\xff';
	text_of(m, 0, &text);
	assert_string_equal(text.data, "{\"priority\":\"high\",\"headers\":{\"Task-Meta\":\"x\","
								   "\"\xef\xbf\xbd\":\"5\"},\"body\":\"b\"}");
	codec_free(m);
}

static void bad_text_is_shown_mended(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf text = {0};
	Millrace__Outcome o = MILLRACE__OUTCOME__INIT;
	char bad[] = "a\xc0\xaf" "b\xed\xa0\x80";

	o.error = bad;
	o.state = (Millrace__State)77;
	text_of(&o.base, 0, &text);
	assert_string_equal(text.data, "{\"state\":77,\"error\":\"a\xef\xbf\xbd\xef\xbf\xbd" "b"
								   "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void input_takes_many_spellings(void **state)
{
	(void)state;
	ProtobufCMessage *m = read_ok(&millrace__task_spec__descriptor,
		"{\"contentType\":\"text/plain\",\"timeoutMs\":\"1500\",\"attempts\":4.0,\"priority\":9,"
		"\"payload\":{\"a\":[1,null]},\"runAt\":\"2026-01-02T04:04:05+01:00\",\"project\":null}", 0);
	Millrace__TaskSpec *s = (Millrace__TaskSpec *)m;

	assert_string_equal(s->content_type, "text/plain");
	assert_int_equal(s->timeout_ms, 1500);
	assert_int_equal(s->attempts, 4);
	assert_string_equal(s->priority, "9");
	assert_int_equal(s->payload.len, strlen("{\"a\":[1,null]}"));
	assert_memory_equal(s->payload.data, "{\"a\":[1,null]}", s->payload.len);
	assert_int_equal(s->run_at / 1000000000, 1767323045);
	codec_free(m);

	m = read_ok(&millrace__node_status__descriptor,
				"{\"state\":\"READY\",\"cpu_percent\":null,\"memory_percent\":5,\"whatever\":1}",
				CODEC_LENIENT);
	Millrace__NodeStatus *n = (Millrace__NodeStatus *)m;
	assert_int_equal(n->state, MILLRACE__NODE_STATE__NODE_STATE_READY);
	assert_true(isnan(n->cpu_percent));
	assert_true(n->memory_percent > 4.9 && n->memory_percent < 5.1);
	codec_free(m);

	m = read_ok(&millrace__task_list__descriptor, "{\"states\":[\"dead\",\"STATE_QUEUED\",3]}", 0);
	Millrace__TaskList *l = (Millrace__TaskList *)m;
	assert_int_equal(l->n_states, 3);
	assert_int_equal(l->states[0], MILLRACE__STATE__STATE_DEAD);
	assert_int_equal(l->states[1], MILLRACE__STATE__STATE_QUEUED);
	assert_int_equal(l->states[2], MILLRACE__STATE__STATE_RUNNING);
	codec_free(m);
}

static void wrong_json_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
	} cases[] = {
		{"{\"outcomes\":[{},{\"state\":\"gone\"}]}", "outcomes[1]: state: \"gone\" is none of: none scheduled"},
		{"{\"outcomes\":[{\"id\":{}}]}", "outcomes[0]: id: a string is needed, not an object"},
		{"{\"outcomes\":[{\"id\":\"a\"},{\"error\":\"x\",\"n\":1}]}", "outcomes[1]: Outcome has no key \"n\""},
		{"{\"outcomes\":{}}", "outcomes: a list is needed"},
		{"{\"outcomes\":[{\"attempt\":-1}]}", "-1 is not within 0 to 4294967295"},
		{"{\"outcomes\":[{\"attempt\":4294967296}]}", "attempt"},
		{"{\"outcomes\":[{\"attempt\":1.5}]}", "no whole number"},
		{"{\"outcomes\":[{\"epoch\":\"-1\"}]}", "no whole number"},
		{"{\"outcomes\":[{\"epoch\":\"99999999999999999999\"}]}", "no whole number"},
		{"{\"outcomes\":[{\"lane_seq\":true}]}", "a whole number is needed, not a boolean"},
		{"{\"outcomes\":[{\"started_at\":\"yesterday\"}]}", "started_at"},
		{"{\"outcomes\":[{\"result_base64\":\"a\"}]}", "result: base64"},
		{"{\"outcomes\":[{\"result_base64\":5}]}", "base64"},
		{"{\"outcomes\":[{\"id_base64\":\"YQ==\"}]}", "no key \"id_base64\""},
		{"{\"outcomes\":[{\"result\":\"a\",\"result_base64\":\"YQ==\"}]}", "given twice"},
		{"{\"outcomes\":[{\"lane_seq\":1,\"laneSeq\":1}]}", "given twice"},
		{"{\"outcomes\":[{\"id\":\"a\",\"id\":\"b\"}]}", "line 1, column"},
		{"{\"outcomes\":[\n{\"id\":\"a\"", "line 2, column"},
		{"{\"outcomes\":[{\"id\":\"a\\u0000b\"}]}", "line 1"},
		{"{\"outcomes\":[{\"id\":\"\xff\"}]}", "line 1"},
		{"[]", "an object is needed, not a list"},
		{"", "line 1"},
		{"nonsense", "line 1"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		read_fails(&millrace__outcome_batch__descriptor, cases[i].text, cases[i].words);
}

static void bombs_end_at_a_limit(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = {0};
	ProtobufCMessage *m = NULL;
	struct err e;

	for (int i = 0; i < 100000; i++)
		buf_add_str(&b, "[");
	assert_int_equal(codec_from_json_text(&millrace__outcome__descriptor, b.data, b.len, 0, &m, &e),
					 ERR_INVALID);
	assert_non_null(strstr(e.text, "deeper"));
	buf_reset(&b);
	buf_add_str(&b, "{\"states\":[1");
	for (int i = 0; i < 300000; i++)
		buf_add_str(&b, ",1");
	buf_add_str(&b, "]}");
	assert_int_equal(codec_from_json_text(&millrace__task_list__descriptor, b.data, b.len, 0, &m, &e),
					 ERR_TOO_LARGE);
	/* A million empty outcomes in two megabytes. */
	buf_reset(&b);
	for (int i = 0; i < 1000000; i++)
		buf_add(&b, "\x0a\x00", 2);
	assert_int_equal(codec_unpack(&millrace__outcome_batch__descriptor, b.data, b.len, &m, &e),
					 ERR_TOO_LARGE);
	assert_null(m);
	buf_reset(&b);
	buf_reserve(&b, (size_t)17 << 20);
	b.len = (size_t)17 << 20;
	memset(b.data, ' ', b.len);
	assert_int_equal(codec_from_json_text(&millrace__outcome__descriptor, b.data, b.len, 0, &m, &e),
					 ERR_TOO_LARGE);
	assert_int_equal(codec_unpack(&millrace__outcome__descriptor, b.data, b.len, &m, &e), ERR_TOO_LARGE);
}

static void corrupt_protobuf_is_refused(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf packed = {0};
	ProtobufCMessage *m = read_ok(&millrace__outcome_batch__descriptor,
								  "{\"outcomes\":[{\"id\":\"abc\",\"result\":\"0123456789\"}]}", 0);
	struct err e;

	codec_pack(m, &packed);
	codec_free(m);
	m = NULL;
	for (size_t cut = 1; cut < packed.len; cut++) {
		assert_int_equal(codec_unpack(&millrace__outcome_batch__descriptor, packed.data, cut, &m, &e),
						 ERR_INVALID);
		assert_non_null(strstr(e.text, "OutcomeBatch"));
	}
	/* Any bytes: an error or a record, never a crash (the sanitizers watch). */
	srand(7);
	for (int round = 0; round < 20000; round++) {
		unsigned char noise[64];
		size_t len = (size_t)rand() % sizeof(noise);
		for (size_t i = 0; i < len; i++)
			noise[i] = (unsigned char)(i < packed.len && rand() % 4 ? packed.data[i] : rand());
		if (codec_unpack(&millrace__outcome_batch__descriptor, noise, len, &m, &e) == 0)
			codec_free(m);
	}
	/* A newer version's field is passed over. */
	assert_int_equal(codec_unpack(&millrace__stored__descriptor, "\x0a\x01x\xa2\x06\x03new", 9, &m, &e), 0);
	assert_string_equal(((Millrace__Stored *)m)->id, "x");
	codec_free(m);
}

static void content_type_chooses(void **state)
{
	(void)state;
	static const struct {
		const char *type, *data;
		bool ok;
	} cases[] = {
		{NULL, "{\"id\":\"x\"}", true},
		{NULL, "\x0a\x01x", true},
		{NULL, " {\"id\":\"x\"}", false},
		{"application/json", "{\"id\":\"x\"}", true},
		{"Application/JSON; charset=utf-8", " {\"id\":\"x\"}", true},
		{"application/cloudevents+json", "{\"id\":\"x\"}", true},
		{"application/x-protobuf", "\x0a\x01x", true},
		{"application/x-protobuf", "{\"id\":\"x\"}", false},
		{"application/json", "\x0a\x01x", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ProtobufCMessage *m = NULL;
		struct err e;
		int rc = codec_decode(&millrace__stored__descriptor, cases[i].type, cases[i].data,
							  strlen(cases[i].data), &m, &e);

		assert_int_equal(rc, cases[i].ok ? 0 : ERR_INVALID);
		if (rc == 0)
			assert_string_equal(((Millrace__Stored *)m)->id, "x");
		codec_free(m);
	}
}

static void utf8_follows_the_standard(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{"", true}, {"abc", true}, {"\xc3\xa4", true}, {"\xef\xbf\xbf", true},
		{"\xf4\x8f\xbf\xbf", true}, {"\xc3", false}, {"\xc0\x80", false}, {"\xe0\x9f\xbf", false},
		{"\xed\xa0\x80", false}, {"\xf0\x8f\xbf\xbf", false}, {"\xf4\x90\x80\x80", false},
		{"\xf5\x80\x80\x80", false}, {"\x80", false}, {"a\xff", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(utf8_ok(cases[i].text, strlen(cases[i].text)), cases[i].ok);
	assert_false(utf8_ok("a\0b", 3));
}

static void base64_round_trips(void **state)
{
	(void)state;
	static const char *const good[][2] = {
		{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg==", "foob"},
	};
	static const char *const bad[] = {"Z", "Zh==", "Zm9=", "Zg=", "Zm 9v", "Zm9v\n", "=", "====", "Z*=="};
	CLEANUP(buf_release) struct buf b = {0};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		buf_reset(&b);
		base64_encode(good[i][1], strlen(good[i][1]), &b);
		assert_int_equal(b.len, strlen(good[i][0]));
		assert_memory_equal(b.data, good[i][0], b.len);
		buf_reset(&b);
		assert_int_equal(base64_decode(good[i][0], strlen(good[i][0]), &b, &e), 0);
		assert_int_equal(b.len, strlen(good[i][1]));
		assert_memory_equal(b.data, good[i][1], b.len);
	}
	buf_reset(&b);
	base64url_encode("\xfb\xff", 2, &b);
	assert_string_equal(b.data, "-_8=");
	assert_int_equal(base64_decode("-_8", 3, &b, &e), 0);
	assert_memory_equal(b.data, "-_8=\xfb\xff", 6);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &b, &e), ERR_INVALID);
		assert_int_equal(b.len, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcome_round_trips),
		cmocka_unit_test(all_writes_what_is_absent),
		cmocka_unit_test(headers_are_an_object),
		cmocka_unit_test(bad_text_is_shown_mended),
		cmocka_unit_test(input_takes_many_spellings),
		cmocka_unit_test(wrong_json_is_named),
		cmocka_unit_test(bombs_end_at_a_limit),
		cmocka_unit_test(corrupt_protobuf_is_refused),
		cmocka_unit_test(content_type_chooses),
		cmocka_unit_test(utf8_follows_the_standard),
		cmocka_unit_test(base64_round_trips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
