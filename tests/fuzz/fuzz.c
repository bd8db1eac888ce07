/*
 * Every reader of bytes that others choose, for libFuzzer. One program: FUZZ_TARGET names which (tests/fuzz/run.sh
 * goes through all of them). What is looked for is a crash, a sanitizer's report, a leak, a hang; and an id or a
 * fingerprint that we made and would not take.
 *
 * Where a message is read, the input is its subject, its headers and its body, each header on a line of its own:
 *
 *	tasks.echo\nTask-Timeout: 5s\n\nbody
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/codec.h"
#include "common/err.h"
#include "common/jetstream.h"
#include "common/js_puback.h"
#include "common/lane_setting.h"
#include "common/marker.h"
#include "common/object.h"
#include "common/placement.h"
#include "common/retry_id.h"
#include "common/token.h"
#include "gateway/derived.h"
#include "gateway/sla.h"
#include "gateway/cors.h"
#include "gateway/http_listen.h"
#include "gateway/http_path.h"
#include "gateway/limits.h"
#include "gateway/origin.h"
#include "gateway/tokens.h"
#include "node/handlers/frame.h"
#include "node/handlers/http_url.h"
#include "node/handlers/numbers.h"
#include "node/handlers/retry_after.h"
#include "node/permit_book.h"
#include "proto/event.pb-c.h"
#include "proto/task.pb-c.h"
#include "router/cron.h"
#include "common/decode.h"
#include "router/fingerprint.h"
#include "common/json_slice.h"
#include "store/batch.h"

#define HEADERS_MAX 64

/* What a header or a file cannot hold is not given to who reads it. */
static char *text_of(const uint8_t *data, size_t len)
{
	char *text = xmalloc(len + 1);

	memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

struct message {
	char *text;
	const char *subject;
	struct bus_header headers[HEADERS_MAX];
	size_t nheaders;
	const char *body;
	size_t len;
};

static void split(const uint8_t *data, size_t len, struct message *m)
{
	char *end, *at = m->text = text_of(data, len), *stop = m->text + len;

	m->subject = at;
	for (bool first = true; (end = memchr(at, '\n', (size_t)(stop - at))); first = false, at = end + 1) {
		char *colon = memchr(at, ':', (size_t)(end - at));
		*end = '\0';
		if (first)
			continue;
		if (at == end || !colon || m->nheaders == HEADERS_MAX) {
			at = end + 1;
			break;
		}
		*colon = '\0';
		m->headers[m->nheaders++] = (struct bus_header){at, colon + 1 + strspn(colon + 1, " ")};
	}
	m->body = at;
	m->len = (size_t)(stop - at);
}

/* ---- tasks ---- */

static void decode(const uint8_t *data, size_t len, bool returned)
{
	static const struct decode_rules rules = {"fallback", 4096, 1700000000};
	struct message m = {0};
	struct submission s;
	struct err e;

	split(data, len, &m);
	struct arrival a = {.subject = m.subject,
						.headers = m.headers,
						.nheaders = m.nheaders,
						.body = m.body,
						.body_len = m.len,
						.sequence = 7,
						.stored_wall_ns = 1700000000 * NS_PER_S};
	int rc = returned ? decode_returned(&a, &s, &e) : decode_submission(&rules, &a, &s, &e);
	if (!rc)
		submission_own(&s);
	submission_release(&s);
	free(m.text);
}

static void submitted(const uint8_t *data, size_t len)
{
	decode(data, len, false);
}

static void returned(const uint8_t *data, size_t len)
{
	decode(data, len, true);
}

static void words(const uint8_t *data, size_t len)
{
	CLEANUP(free_ptr) char *text = text_of(data, len);
	struct object_ref ref;
	struct wish wish;
	struct lane lane;
	struct err e;
	enum balance balance;
	int64_t ns;
	bool never;

	(void)!lane_parse(text, &lane, &e);
	(void)!lane_make("echo", text, &lane, &e);
	(void)!wish_node(text, &wish, &e);
	(void)!wish_task(text, &wish, &e);
	(void)!balance_parse(text, &balance, &e);
	if (names_check(text, &e) == 0)
		(void)names_have(text, "node-1");
	(void)!object_ref_parse(text, &ref, &e);
	(void)!duration_parse(text, &ns, &e);
	(void)retry_after_read(text, &ns, &never);
	if (task_id_ok(text, strlen(text))) {
		char next[TASK_ID_MAX + 1];
		retry_id_next(text, next);
		if (!task_id_ok(next, strlen(next)))
			abort();
	}
}

static void cron(const uint8_t *data, size_t len)
{
	CLEANUP(free_ptr) char *text = text_of(data, len);
	struct cron c;
	struct err e;

	(void)!cron_parse(text, &c, &e);
}

static void fingerprint(const uint8_t *data, size_t len)
{
	CLEANUP(free_ptr) char *text = text_of(data, len);
	CLEANUP(buf_release) struct buf out = {0};
	char made[FINGERPRINT_MAX + 1];

	fingerprint_normalise(text, strlen(text), &out);
	fingerprint_make("echo", text, text, made);
	if (!fingerprint_ok(made))
		abort();
}

/* ---- records ---- */

static void protobuf(const uint8_t *data, size_t len)
{
	static const ProtobufCMessageDescriptor *const all[] = {
		&millrace__task_spec__descriptor, &millrace__outcome_batch__descriptor, &millrace__started_batch__descriptor,
		&millrace__node_status__descriptor};
	ProtobufCMessage *m = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (codec_unpack(all[i], data, len, &m, &e))
			continue;
		CLEANUP(buf_release) struct buf text = {0};
		codec_to_json_text(m, CODEC_ALL, &text);
		codec_free(TAKE(m));
		if (codec_from_json_text(all[i], text.data, text.len, 0, &m, &e) == 0)
			codec_free(TAKE(m));
	}
}

static void json(const uint8_t *data, size_t len)
{
	ProtobufCMessage *m = NULL;
	const char *value;
	size_t n;
	struct err e;

	if (codec_from_json_text(&millrace__task_spec__descriptor, data, len, 0, &m, &e) == 0)
		codec_free(TAKE(m));
	if (codec_from_json_text(&millrace__outcome_batch__descriptor, data, len, 0, &m, &e) == 0)
		codec_free(TAKE(m));
	(void)json_slice((const char *)data, len, "body", &value, &n);
}

static void event(const uint8_t *data, size_t len)
{
	struct batch b = {0};
	struct message m = {0};

	split(data, len, &m);
	struct batch_message in = {m.subject, "reply", m.body, m.len, m.headers, m.nheaders, 7, 1700000000 * NS_PER_S};
	batch_add(&b, &in);
	batch_add(&b, &in);
	batch_release(&b);
	free(m.text);
}

/* ---- what the broker, other routers and nodes say ---- */

static void broker(const uint8_t *data, size_t len)
{
	CLEANUP(free_ptr) char *text = text_of(data, len);
	struct lane_setting set;
	struct js_puback ack;
	struct js_meta meta;
	struct marker marker;
	struct err e = {0};

	(void)!js_meta_parse(text, &meta, &e);
	if (!js_puback_scan(text, len, &ack))
		(void)!js_puback_read(text, len, &ack, &e);
	(void)!lane_setting_parse(text, len, &set, &e);
	(void)!marker_parse("task.x", text, len, 0, &marker, &e);
	(void)!marker_parse(text, "{}", 2, 0, &marker, &e);
}

static void permits(const uint8_t *data, size_t len)
{
	json_t *book = json_loadb((const char *)data, len, 0, NULL);
	struct permit_rules rules = {.rate_per_s = 3, .concurrency = 4, .key_concurrency = 2, .now_wall_ns = 1700000000 * NS_PER_S};
	struct permit_key_wish key = {.key = "k", .busy = 1, .want = 2};
	struct permit_wish wish = {.me = "me", .busy = 1, .want = 3, .tokens = 2, .tokens_back = 1, .keys = &key, .nkeys = 1};
	struct permit_grant grant;

	if (json_is_object(book))
		permit_book_settle(book, &rules, &wish, &grant);
	json_decref(book);
}

/* ---- what programs and servers say to a handler ---- */

static void frame(const uint8_t *data, size_t len)
{
	struct frame_reader r = {.body_max_bytes = 4096};
	struct frame f;
	struct err e;
	int rc = 0;

	/* In two pieces, wherever the first ends. */
	for (size_t piece = 0; piece < 2; piece++) {
		size_t half = len / 2;
		frame_feed(&r, (const char *)data + (piece ? half : 0), piece ? len - half : half);
		while ((rc = frame_next(&r, &f, &e)) == 1)
			json_decref(f.header);
		if (rc < 0)
			break;
	}
	frame_reader_release(&r);
}

static void numbers(const uint8_t *data, size_t len)
{
	struct numbers n = {0};
	struct err e;

	(void)!numbers_read_csv((const char *)data, len, &n, &e);
	numbers_release(&n);
	n = (struct numbers){0};
	(void)!numbers_read_json((const char *)data, len, &n, &e);
	numbers_release(&n);
}

/* ---- what components say of themselves ---- */

static void on_sample(void *data, const struct exposition_sample *s)
{
	double *sum = data;

	*sum += s->value + (double)s->labels.len;
}

/* What was written is read again, once the labels that we add are cut out. */
static void read_again(const char *line, size_t len)
{
	static const char added[] = "component=\"node\",instance=\"a\"";
	CLEANUP(free_ptr) char *text = xmemdup0(line, len);
	char *brace = strchr(text, '{');
	struct exposition_line l;
	struct exposition_text le;

	if (*text != '#') {
		if (!brace)
			abort();

		char *rest = brace + sizeof(added);
		rest += *rest == ',';
		memmove(brace + 1, rest, strlen(rest) + 1);
	}
	exposition_line_read(text, strlen(text), &l);
	if (l.what == LINE_NOTHING || l.what == LINE_BROKEN)
		abort();
	(void)exposition_label(l.labels, "le", &le);
}

static void exposition(const uint8_t *data, size_t len)
{
	struct exposition *x = exposition_new();
	CLEANUP(buf_release) struct buf text = {0}, derived = {0};
	struct sla sla = {.target_s = 0.5, .window_ms = 60000};
	double sum = 0;
	struct err e;

	if (exposition_add(x, "node", "a", (const char *)data, len, &e) == 0 &&
		exposition_add(x, "node", "b", (const char *)data, len / 2, &e) == 0) {
		exposition_each(x, "millrace_node_task_seconds", on_sample, &sum);
		sla_take(&sla, x, 1000);
		sla_take(&sla, x, 2000);
		derived_render(x, NULL, NULL, &derived);
		exposition_render(x, &text);
	}
	for (char *at = text.data, *end; at && *at; at = end + 1) {
		end = strchr(at, '\n');
		read_again(at, (size_t)(end - at));
	}
	sla_release(&sla);
	exposition_free(x);
}

/* ---- what strangers and operators give the gateway ---- */

static void url(const uint8_t *data, size_t len)
{
	static const char *const patterns[] = {"/", "/api/v1/tasks/{id}", "/api/v1/tasks/{id}/result", "/api/v1/state/{key...}",
										   "/{a}/{b}/{c}/{d...}", "/{a}/{b}/{c}/{d}/{e}"};
	CLEANUP(free_ptr) char *path = text_of(data, len);
	struct http_params p;

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		if (!http_path_match(patterns[i], path, &p))
			continue;
		for (size_t j = 0; j < p.n; j++) {
			if (!utf8_ok(p.at[j].value, strlen(p.at[j].value)))
				abort();
		}
		http_params_release(&p);
	}
	CLEANUP(free_ptr) char *text = http_decode(path, strlen(path));
}

static void names(const uint8_t *data, size_t len)
{
	CLEANUP(free_ptr) char *text = text_of(data, len);
	char key[LIMITS_KEY_MAX], host[256], port[8];
	struct err e;

	/* The same words on both sides must not make a stranger's name ours. */
	(void)origin_host_ok(text, text, text);
	(void)origin_is_host(text, text);
	if (cors_check(text, &e) == 0)
		(void)cors_allows(text, "https://a.example");
	if (cors_allows("https://a.example", text) && !str_eq(text, "https://a.example"))
		abort();
	(void)!http_listen_split(text, host, port, &e);
	limits_key_of(text, key);
}

static void tokens(const uint8_t *data, size_t len)
{
	CLEANUP(free_ptr) char *text = text_of(data, len);
	struct tokens t = {0};
	struct err e;

	if (tokens_parse("file", text, len, &t, &e) == 0) {
		for (size_t i = 0; i < t.n; i++) {
			if (t.at[i].scope < SCOPE_READ || !token_ok(t.at[i].name, strlen(t.at[i].name)))
				abort();
		}
		(void)tokens_find(&t, text);
	}
	tokens_release(&t);
	(void)bearer_of(text);
}

/* ---- which ---- */

static const struct {
	const char *name;
	void (*fn)(const uint8_t *data, size_t len);
} targets[] = {
	{"submitted", submitted}, {"returned", returned}, {"words", words},   {"cron", cron},
	{"fingerprint", fingerprint}, {"protobuf", protobuf}, {"json", json}, {"event", event},
	{"broker", broker},       {"permits", permits},   {"frame", frame},   {"numbers", numbers},
	{"exposition", exposition},
	{"url", url},             {"names", names},     {"tokens", tokens},
};

static void (*chosen)(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		if (name && str_eq(name, targets[i].name))
			chosen = targets[i].fn;
		if (name && str_eq(name, "list"))
			puts(targets[i].name);
	}
	if (!chosen)
		exit(name && str_eq(name, "list") ? 0 : 2);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	chosen(data, len);
	return 0;
}
