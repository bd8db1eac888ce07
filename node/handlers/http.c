/*
 * Kind `http`: the task becomes a request to a configured address, its answer
 * the result.
 *
 *	- type: translate
 *	  kind: http
 *	  url: https://api.example.com/v1/translate/{id}
 *	  headers_file: {Authorization: /run/secrets/translate}
 *
 * It goes well: 2xx, the answer's body and Content-Type are the result. It
 * fails: 408, 425, 429, 5xx and what happens on the way (no connection, TLS,
 * a reset) is tried again, after Retry-After where that is told; any other
 * status is for good. The host's breaker is open: the task goes back unspent
 * for the rest of that time. An answer over `response` is for good. The task's
 * time is over: the transfer is aborted.
 *
 * A request may be repeated: Idempotency-Key is the task's id, the same for
 * all its attempts, so that the other side can tell.
 */
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "node/handlers/http_config.h"
#include "node/handlers/http_reply.h"
#include "node/handlers/kinds.h"
#include "common/section.h"
#include "node/handlers/tail.h"

enum { READ_BYTES = 128 * 1024, WORDS_MAX = 200, ERROR_MAX = 1400 };

struct http {
	struct handler *handler;
	struct http_config config;
	struct http_host *host;     /* NULL: its opening failed, or was a check */
	struct call *calls;         /* those that are freed behind a read too */
	struct metric *answered[6]; /* by the first digit of the status; 0: none came */
	bool closing;
};

struct call {
	struct http *http;
	struct handler_run *run; /* NULL: ended; a read of its file still has it */
	struct curl_transfer transfer;
	unsigned ticket;
	int64_t started_ns;
	struct curl_slist *headers;
	char *url;
	struct buf answer;
	bool over; /* more than it may be */
	char retry_after[64];
	char curl_error[CURL_ERROR_SIZE];
	/* the file that is its body: */
	int fd;
	uv_fs_t read;
	char *space;
	size_t have, given;
	uint64_t at;
	bool reading, read_failed;
	struct call *prev, *next;
};

/* ---- the end of a call ---- */

static void on_host_released(void *data)
{
	struct http *x = data;
	struct handler *h = x->handler;

	http_config_release(&x->config);
	free(x);
	h->state = NULL;
	handler_closed(h);
}

static void free_call(struct call *c)
{
	struct http *x = c->http;

	DL_DELETE(x->calls, c);
	free(c->space);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	if (x->closing && !x->calls)
		http_host_release(&x->host, on_host_released, x);
}

/* Everything but what a read under way still needs. */
static struct handler_run *end_call(struct call *c)
{
	struct handler_run *run = TAKE(c->run);

	curl_easy_cleanup(c->transfer.easy);
	curl_slist_free_all(c->headers);
	free(c->url);
	buf_release(&c->answer);
	if (!c->reading)
		free_call(c);
	return run;
}

static void finish(struct call *c, struct handler_result *r)
{
	struct handler_run *run = end_call(c);

	handler_done(run, r);
}

static void fail(struct call *c, const char *error, bool permanent)
{
	struct handler_result r = {.outcome = RESULT_FAILED, .error = error, .permanent = permanent};

	finish(c, &r);
}

/* ---- what came ---- */

static bool hopeless(CURLcode how)
{
	return how == CURLE_URL_MALFORMAT || how == CURLE_UNSUPPORTED_PROTOCOL ||
		   how == CURLE_TOO_MANY_REDIRECTS;
}

static void take_broken(struct call *c, CURLcode how)
{
	const struct http *x = c->http;
	char error[ERROR_MAX];

	if (c->over) {
		http_host_report(x->host, c->ticket, BREAKER_OK);
		snprintf(error, sizeof(error), "%s answered with more than %lld bytes (response)",
				 x->config.url.authority, (long long)x->config.response_bytes);
		fail(c, error, true);
		return;
	}
	if (c->read_failed) {
		http_host_report(x->host, c->ticket, BREAKER_UNKNOWN);
		fail(c, "the file that is its body can't be read", false);
		return;
	}
	http_host_report(x->host, c->ticket, BREAKER_FAILED);
	metric_add(x->answered[0], 1);
	snprintf(error, sizeof(error), "%s %s: %s", x->config.method, x->config.url.authority,
			 *c->curl_error ? c->curl_error : curl_easy_strerror(how));
	fail(c, error, hopeless(how));
}

static void take_refusal(struct call *c, long status)
{
	const struct http *x = c->http;
	char words[WORDS_MAX], error[ERROR_MAX];
	size_t len = MIN_OF(c->answer.len, (size_t)WORDS_MAX - 1);
	const char *hint = status >= 300 && status < 400 ? " (redirects are not followed)" : "";

	line_clean(c->answer.data ? c->answer.data : "", len, words, sizeof(words));
	snprintf(error, sizeof(error), "%s answered %ld%s%s%s", x->config.url.authority, status, hint,
			 *words ? ": " : "", words);
	struct handler_result r = {
		.outcome = RESULT_FAILED,
		.error = error,
		.permanent = http_meaning(status) == HTTP_NEVER,
		.retry_after_ns = http_retry_after_ns(c->retry_after, clock_wall_ns()),
	};
	finish(c, &r);
}

static void take_answer(struct call *c, long status)
{
	struct http *x = c->http;
	char type[256] = "";
	char *told = NULL;

	metric_add(x->answered[status >= 100 && status < 600 ? status / 100 : 0], 1);
	http_host_report(x->host, c->ticket, http_speaks_against(status) ? BREAKER_FAILED : BREAKER_OK);
	if (http_meaning(status) != HTTP_OK) {
		take_refusal(c, status);
		return;
	}
	curl_easy_getinfo(c->transfer.easy, CURLINFO_CONTENT_TYPE, &told);
	snprintf(type, sizeof(type), "%s", told ? told : "");
	size_t len = c->answer.len;
	struct handler_result r = {
		.outcome = RESULT_OK,
		.data = len ? buf_take(&c->answer) : NULL,
		.len = len,
		.content_type = *type ? type : NULL,
	};
	finish(c, &r);
}

static void on_end(struct curl_transfer *t, CURLcode how)
{
	struct call *c = container_of(t, struct call, transfer);
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (how != CURLE_OK)
		take_broken(c, how);
	else
		take_answer(c, status);
}

/* ---- libcurl's callbacks: nothing is freed in them ---- */

static size_t on_bytes(char *bytes, size_t one, size_t len, void *data)
{
	struct call *c = data;

	(void)one; /* always 1 */
	if (c->answer.len + len > (size_t)c->http->config.response_bytes) {
		c->over = true;
		return CURL_WRITEFUNC_ERROR;
	}
	buf_add(&c->answer, bytes, len);
	return len;
}

static size_t on_header(char *line, size_t one, size_t len, void *data)
{
	static const char name[] = "retry-after:";
	struct call *c = data;
	size_t at = sizeof(name) - 1;

	(void)one;
	if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0)
		c->retry_after[0] = '\0'; /* a redirect's, or a 1xx's, was not the last word */
	if (len > at && strncasecmp(line, name, at) == 0) {
		size_t n = len - at;
		while (n > 0 && (unsigned char)line[at + n - 1] <= ' ')
			n--;
		snprintf(c->retry_after, sizeof(c->retry_after), "%.*s", (int)MIN_OF(n, (size_t)63),
				 line + at);
	}
	return len;
}

static void on_file_read(uv_fs_t *r)
{
	struct call *c = r->data;
	ssize_t n = r->result;

	uv_fs_req_cleanup(r);
	c->reading = false;
	if (!c->run) {
		free_call(c);
		return;
	}
	c->read_failed = n <= 0; /* its length is known: an end comes too soon */
	c->have = n > 0 ? (size_t)n : 0;
	c->given = 0;
	c->at += c->have;
	curl_easy_pause(c->transfer.easy, CURLPAUSE_CONT);
}

/* A file is read beside the loop: libcurl pauses for it. */
static size_t on_wanted(char *out, size_t one, size_t size, void *data)
{
	struct call *c = data;
	size_t n = MIN_OF(c->have - c->given, size * one);

	if (c->read_failed)
		return CURL_READFUNC_ABORT;
	if (n > 0) {
		memcpy(out, c->space + c->given, n);
		c->given += n;
		return n;
	}
	if (c->at >= c->run->task.file_bytes)
		return 0;
	if (!c->reading) {
		uv_buf_t b = uv_buf_init(c->space, READ_BYTES);
		c->read.data = c;
		c->reading = uv_fs_read(c->http->handler->ctx->loop, &c->read, c->fd, &b, 1, (int64_t)c->at,
								on_file_read) >= 0;
		if (!c->reading) {
			c->read_failed = true;
			return CURL_READFUNC_ABORT;
		}
	}
	return CURL_READFUNC_PAUSE;
}

/* A kept connection that turned out dead: the body is sent again from its beginning. */
static int on_seek(void *data, curl_off_t offset, int origin)
{
	struct call *c = data;

	if (c->reading || origin != SEEK_SET)
		return CURL_SEEKFUNC_FAIL;
	c->at = (uint64_t)offset;
	c->have = c->given = 0;
	return CURL_SEEKFUNC_OK;
}

/* ---- a request ---- */

static void add_header(struct call *c, const char *name, const char *value)
{
	CLEANUP(free_ptr) char *line = xasprintf("%s: %s", name, value);
	struct curl_slist *more = curl_slist_append(c->headers, line);

	c->headers = more ? more : c->headers;
}

/* A stranger's word: nothing of it may end the line. */
static bool value_ok(const char *value)
{
	size_t len = strnlen(value, 1025);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)value[i] < 0x20 || (unsigned char)value[i] > 0x7e)
			return false;
	}
	return len > 0 && len <= 1024;
}

static void add_headers(struct call *c)
{
	static const char *const passed[] = {"traceparent", "tracestate"};
	const struct http *x = c->http;
	const struct handler_task *t = &c->run->task;
	const char *type =
		t->content_type && value_ok(t->content_type) ? t->content_type : x->config.content_type;
	char number[24];

	for (char *const *h = x->config.headers; h && *h; h++) {
		struct curl_slist *more = curl_slist_append(c->headers, *h);
		c->headers = more ? more : c->headers;
	}
	add_header(c, "Task-Id", t->id);
	add_header(c, "Idempotency-Key", t->id);
	add_header(c, "Task-Type", t->type);
	snprintf(number, sizeof(number), "%u", t->attempt);
	add_header(c, "Task-Attempt", number);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)t->epoch);
	add_header(c, "Task-Execution-Epoch", number);
	for (size_t i = 0; i < t->nheaders; i++) {
		for (size_t k = 0; k < ARRAY_LEN(passed); k++) {
			if (strcasecmp(t->headers[i].name, passed[k]) == 0 && value_ok(t->headers[i].value))
				add_header(c, passed[k], t->headers[i].value);
		}
	}
	/* An empty value keeps libcurl from adding its own. */
	add_header(c, "Content-Type", http_config_sends_body(&x->config) && type ? type : "");
	add_header(c, "Expect", "");
}

static int set_body(struct call *c, struct err *e)
{
	CURL *easy = c->transfer.easy;
	const struct handler_task *t = &c->run->task;

	if (!http_config_sends_body(&c->http->config))
		return 0;
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	if (!t->file) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, t->body); /* not copied: it stays */
		return 0;
	}
	c->fd = open(t->file, O_RDONLY | O_CLOEXEC);
	if (c->fd < 0)
		return err_set(e, ERR_IO, "cannot open the fetched object");
	c->space = xmalloc(READ_BYTES);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->file_bytes);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_wanted);
	curl_easy_setopt(easy, CURLOPT_READDATA, c);
	curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
	curl_easy_setopt(easy, CURLOPT_SEEKDATA, c);
	return 0;
}

static void set_security(struct call *c)
{
	CURL *easy = c->transfer.easy;
	const struct http_config *k = &c->http->config;

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, (long)(k->redirects > 0));
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)k->redirects);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, (long)k->verify);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, k->verify ? 2L : 0L);
	if (k->ca)
		curl_easy_setopt(easy, CURLOPT_CAINFO, k->ca);
	if (k->cert) {
		curl_easy_setopt(easy, CURLOPT_SSLCERT, k->cert);
		curl_easy_setopt(easy, CURLOPT_SSLKEY, k->key);
	}
	curl_easy_setopt(easy, CURLOPT_PROXY, k->proxy ? k->proxy : "");
}

static int set_up(struct call *c, struct err *e)
{
	const struct http_config *k = &c->http->config;
	CURL *easy = c->transfer.easy;

	if (!easy)
		return err_set(e, ERR_FAILED, "libcurl has no memory");
	curl_easy_setopt(easy, CURLOPT_URL, c->url);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace-node/" MILLRACE_VERSION);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->curl_error);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(k->connect_timeout_ns / NS_PER_MS));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	set_security(c);
	if (set_body(c, e))
		return e->code;
	if (str_eq(k->method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, k->method);
	add_headers(c);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	return http_host_start(c->http->host, &c->transfer, e);
}

static void start(struct handler *h, struct handler_run *run)
{
	struct http *x = h->state;
	char *url = NULL;
	unsigned ticket = 0;
	int64_t wait_ns = 0;
	struct err e = {0};

	if (http_url_fill(&x->config.url, &run->task, &url, &e)) {
		struct handler_result r = {.outcome = RESULT_FAILED, .error = e.text, .permanent = true};
		handler_done(run, &r);
		return;
	}
	if (!http_host_admit(x->host, &ticket, &wait_ns)) {
		char error[ERROR_MAX];
		snprintf(error, sizeof(error), "%s fails, and is left alone for a while (breaker)",
				 http_host_name(x->host));
		struct handler_result r = {.outcome = RESULT_RETURNED,
								   .error = error,
								   .reason = "breaker",
								   .retry_after_ns = wait_ns};
		free(url);
		handler_done(run, &r);
		return;
	}
	struct call *c = xcalloc(1, sizeof(*c));
	c->http = x;
	c->run = run;
	c->url = url;
	c->fd = -1;
	c->ticket = ticket;
	c->started_ns = clock_mono_ns();
	c->transfer.easy = curl_easy_init();
	c->transfer.on_end = on_end;
	run->state = c;
	DL_APPEND(x->calls, c);
	if (set_up(c, &e)) {
		http_host_report(x->host, ticket, BREAKER_UNKNOWN);
		fail(c, e.text, false);
	}
}

/*
 * Where most of its time is over the host was too slow, and that speaks against it; who cancels a
 * task soon has reasons of their own.
 */
static void cancel(struct handler *h, struct handler_run *run)
{
	struct http *x = h->state;
	struct call *c = run->state;
	bool slow = clock_mono_ns() - c->started_ns >= run->task.timeout_ns / 2;

	http_host_abort(x->host, &c->transfer);
	http_host_report(x->host, c->ticket, slow ? BREAKER_FAILED : BREAKER_UNKNOWN);
	struct handler_result r = {
		.outcome = RESULT_FAILED, .error = "no answer in time", .reason = "timeout"};
	finish(c, &r);
}

/* ---- the handler ---- */

static void make_metrics(struct http *x)
{
	static const char *const outcomes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		CLEANUP(free_ptr)
		char *labels = xasprintf("type=\"%s\",outcome=\"%s\"", x->handler->type, outcomes[i]);
		x->answered[i] =
			metric_counter("millrace_node_http_requests_total",
						   "Requests of http handlers, by how they were answered.", labels);
	}
}

static int open_http(struct handler *h, const struct doc *config, struct err *e)
{
	struct http *x = xcalloc(1, sizeof(*x));

	x->handler = h;
	h->state = x;
	if (http_config_read(config, &x->config, e))
		return e->code;
	if (!h->ctx->loop)
		return 0;
	if (http_host_get(h->ctx->loop, x->config.url.authority, &x->config.host, &x->host, e)) {
		const struct doc *url = doc_get(config, "url");
		e->code = ERR_INVALID;
		return err_wrap(e, "line %u", url->line);
	}
	make_metrics(x);
	if (!x->config.verify)
		log_warn("this handler takes anybody for its host (tls: verify is false)",
				 LOG_S("type", h->type), LOG_S("host", x->config.url.authority));
	return 0;
}

static void close_http(struct handler *h)
{
	struct http *x = h->state;
	struct call *c, *next;

	DL_FOREACH_SAFE (x->calls, c, next) {
		if (c->run) {
			http_host_abort(x->host, &c->transfer);
			(void)end_call(c);
		}
	}
	x->closing = true;
	if (!x->calls)
		http_host_release(&x->host, on_host_released, x);
}

const struct handler_kind kind_http = {"http", open_http,  start,
									   cancel, close_http, OBJECT_AS_FILE};
