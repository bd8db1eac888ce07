/*
 * Answers: bytes, JSON, problems (RFC 9457) and streams. It stands alone as
 * the half of an exchange that handlers use; http_request.c has the other.
 * An answer to a client that has gone is dropped here and nowhere else.
 */
#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/codec.h"
#include "gateway/http_internal.h"

#define RETRY_AFTER_S "2"
#define STREAM_BLOCK_BYTES 16384

/* ---- what was asked ---- */

const void *http_context(const struct http_request *r)
{
	return r->route->context;
}

const char *http_method(const struct http_request *r)
{
	return r->method;
}

const char *http_path(const struct http_request *r)
{
	return r->path ? r->path : "";
}

const char *http_param(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->params.n; i++) {
		if (r->params.at[i].name_len == strlen(name) &&
			strncmp(r->params.at[i].name, name, strlen(name)) == 0)
			return r->params.at[i].value;
	}
	return "";
}

const char *http_query(const struct http_request *r, const char *name)
{
	return r->connection ? MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name)
						 : NULL;
}

const char *http_header(const struct http_request *r, const char *name)
{
	return r->connection ? MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name) : NULL;
}

struct each {
	bool (*fn)(void *data, const char *name, const char *value);
	void *data;
};

static enum MHD_Result on_each(void *cls, enum MHD_ValueKind kind UNUSED, const char *key,
							   const char *value)
{
	struct each *x = cls;

	return x->fn(x->data, key, value ? value : "") ? MHD_YES : MHD_NO;
}

void http_each_header(const struct http_request *r,
					  bool (*fn)(void *data, const char *name, const char *value), void *data)
{
	struct each x = {fn, data};

	if (r->connection)
		MHD_get_connection_values(r->connection, MHD_HEADER_KIND, on_each, &x);
}

void http_each_query(const struct http_request *r,
					 bool (*fn)(void *data, const char *name, const char *value), void *data)
{
	struct each x = {fn, data};

	if (r->connection)
		MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, on_each, &x);
}

struct joining {
	const char *name;
	struct buf text;
};

static bool join(void *data, const char *name, const char *value)
{
	struct joining *j = data;

	if (str_eq(name, j->name) && *value)
		buf_printf(&j->text, "%s%s", j->text.len ? "," : "", value);
	return true;
}

char *http_query_all(const struct http_request *r, const char *name)
{
	struct joining j = {.name = name};

	http_each_query(r, join, &j);
	return j.text.data ? buf_take(&j.text) : xstrdup("");
}

const char *http_body(const struct http_request *r, size_t *ret_len)
{
	*ret_len = r->body.len;
	return r->body.data ? r->body.data : "";
}

int http_body_file(const struct http_request *r, uint64_t *ret_len)
{
	*ret_len = r->body_len;
	return r->body_fd;
}

const char *http_peer(const struct http_request *r)
{
	return r->peer;
}

enum scope http_scope(const struct http_request *r)
{
	return r->scope;
}

void http_set_scope(struct http_request *r, enum scope scope)
{
	r->scope = scope;
}

/* ---- what is answered ---- */

void http_answer_header(struct http_request *r, const char *name, const char *value)
{
	r->headers = xreallocarray(r->headers, r->nheaders + 1, sizeof(*r->headers));
	r->headers[r->nheaders++] = (struct http_header_pair){xstrdup(name), xstrdup(value)};
}

bool http_answers_with(const struct http_request *r, const char *name)
{
	for (size_t i = 0; i < r->nheaders; i++) {
		if (strcasecmp(r->headers[i].name, name) == 0)
			return true;
	}
	return false;
}

/* response is taken. */
static void answer(struct http_request *r, unsigned status, const char *content_type,
				   struct MHD_Response *response, size_t held_bytes)
{
	r->status = status;
	exchange_hold(r, (int64_t)held_bytes);
	r->response = response;
	if (r->http && response) {
		if (r->http->events.decorate)
			r->http->events.decorate(r->http->data, r);
		if (content_type)
			MHD_add_response_header(response, "Content-Type", content_type);
		for (size_t i = 0; i < r->nheaders; i++)
			MHD_add_response_header(response, r->headers[i].name, r->headers[i].value);
	}
	exchange_answered(r);
}

void http_reply(struct http_request *r, unsigned status, const char *content_type, const void *data,
				size_t len)
{
	answer(r, status, content_type,
		   MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY),
		   len);
}

void http_reply_json(struct http_request *r, unsigned status, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	size_t len = text ? strlen(text) : 0;

	json_decref(json);
	if (!text) { /* something in it was no text: half an answer would mislead */
		http_problem(r, 500, NULL, "the answer cannot be written as JSON");
		return;
	}
	answer(r, status, CONTENT_JSON,
		   MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE), len);
}

static const char *title(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad request";
	case 401:
		return "Not authenticated";
	case 403:
		return "Not allowed";
	case 404:
		return "Not found";
	case 405:
		return "Method not allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Too large";
	case 415:
		return "Unsupported media type";
	case 421:
		return "Misdirected";
	case 422:
		return "Not processable";
	case 429:
		return "Too many requests";
	case 502:
		return "Bad answer";
	case 503:
		return "Not available";
	case 504:
		return "Timed out";
	case 507:
		return "No room";
	default:
		return status >= 500 ? "Failed" : "Refused";
	}
}

static void problem(struct http_request *r, unsigned status, const char *field, const char *detail)
{
	CLEANUP(buf_release) struct buf clean = {0};

	utf8_clean(detail, strlen(detail), &clean);
	json_t *j = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title", title(status),
						  "status", (int)status, "detail", clean.data ? clean.data : "");
	if (field && *field)
		json_object_set_new(j, "field", json_string(field));
	if (status == 401 && !http_answers_with(r, "WWW-Authenticate"))
		http_answer_header(r, "WWW-Authenticate", "Bearer realm=\"millrace\"");
	if ((status == 429 || status == 503) && !http_answers_with(r, "Retry-After"))
		http_answer_header(r, "Retry-After", RETRY_AFTER_S);
	char *text = json_dumps(j, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	json_decref(j);
	answer(r, status, "application/problem+json",
		   MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE), len);
}

void http_problem(struct http_request *r, unsigned status, const char *field, const char *fmt, ...)
{
	char detail[1000];
	va_list args;

	va_start(args, fmt);
	vsnprintf(detail, sizeof(detail), fmt, args);
	va_end(args);
	problem(r, status, field, detail);
}

static unsigned status_of(int code)
{
	switch (code) {
	case ERR_INVALID:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_CONFLICT:
		return 409;
	case ERR_DENIED:
		return 403;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_PROTOCOL:
		return 502;
	case ERR_FULL:
	case ERR_UNREACHABLE:
	case ERR_TIMEOUT:
	case ERR_CLOSED:
		return 503;
	default:
		return 500;
	}
}

/* The word that a sentence begins with, where the sentence goes on to say what is wrong with it: "type holds a space". */
static size_t subject_word(const char *sentence)
{
	static const char *const verbs[] = {" holds ", " is ", " must ", " has ", " begins ", " ends "};
	size_t len = strspn(sentence, "abcdefghijklmnopqrstuvwxyz_.");

	if (len == 2 && strncmp(sentence, "it", 2) == 0)
		return 0;
	if (strncmp(sentence, "required capability ", 20) == 0)
		return len;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strncmp(sentence + len, verbs[i], strlen(verbs[i])) == 0)
			return len;
	}
	return 0;
}

void http_field_of(const char *sentence, char ret[65])
{
	const char *from = sentence;
	size_t len;

	ret[0] = '\0';
	if (strncmp(from, "header ", 7) == 0)
		from += 7;
	if (*from == '"') {
		len = strcspn(++from, "\"");
	} else {
		len = strcspn(from, ": \t");
		if (from[len] != ':')
			len = subject_word(from);
	}
	if (len == 0 || len > 64 || strcspn(from, " \t") < len)
		return;
	memcpy(ret, from, len);
	ret[len] = '\0';
}

void http_fail(struct http_request *r, const struct err *e)
{
	char field[65];

	http_field_of(e->text, field);
	problem(r, status_of(e->code), e->code == ERR_INVALID ? field : NULL, e->text);
}

json_t *http_json(struct http_request *r)
{
	size_t len, blank = 0;
	const char *text = http_body(r, &len);
	json_error_t why;
	json_t *j;

	while (blank < len && strchr(" \t\r\n", text[blank]))
		blank++;
	if (blank == len)
		return json_object();
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(j))
		return j;
	if (j)
		http_problem(r, 400, NULL, "the body must be one JSON object");
	else
		http_problem(r, 400, NULL, "the body is no valid JSON: line %d, column %d: %s", why.line,
					 why.column, why.text);
	json_decref(j);
	return NULL;
}

/* ---- streams ---- */

static ssize_t on_read(void *cls, uint64_t pos UNUSED, char *out, size_t max)
{
	struct http_request *r = cls;
	ssize_t n = r->http && !r->gone ? r->stream.read(r->stream.data, out, max) : -2;

	if (r->http)
		r->http->vain_runs = 0;
	if (n > 0)
		return n;
	if (n == -1)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	r->suspended = true;
	MHD_suspend_connection(r->connection);
	return 0;
}

void http_reply_stream(struct http_request *r, unsigned status, const char *content_type,
					   uint64_t len_bytes, const struct http_stream *s)
{
	if (!r->http) { /* the client has gone already */
		if (s->on_close)
			s->on_close(s->data);
		exchange_answered(r);
		return;
	}
	r->stream = *s;
	r->is_stream = true;
	r->endless = len_bytes == UINT64_MAX;
	answer(r, status, content_type,
		   MHD_create_response_from_callback(r->endless ? MHD_SIZE_UNKNOWN : len_bytes,
											 STREAM_BLOCK_BYTES, on_read, r, NULL),
		   STREAM_BLOCK_BYTES);
}

bool http_is_stream(const struct http_request *r)
{
	return r->is_stream;
}

void http_stream_wake(struct http_request *r)
{
	if (!r->suspended || !r->http)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
	http_kick(r->http);
}
