/*
 * A task's bytes, sent as they are. It stands alone as the way out of what
 * strangers wrote: from the row where they are small, chunk by chunk from
 * the object store where they are not, so that memory is bounded whatever
 * their size. They are a download in a sandbox, whatever type they claim to
 * have: nothing that a task returned may run as a page of ours.
 *
 * Fails: never had any, expired, the object is gone (404); the broker stops answering in
 * the middle (the answer breaks off, which its length tells).
 */
#include "gateway/result.h"

#include <stdio.h>

#include <utlist.h>

#include "common/object.h"
#include "gateway/task_view.h"

#define PATIENCE_MS 10000

struct sending {
	struct gateway *gateway;
	struct http_request *request;
	struct object_get *get;
	struct buf chunk;
	size_t sent; /* of the chunk */
	bool answered, all, broken, closed;
	char *content_type;
	struct sending *prev, *next;
};

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* What a stranger wrote is a header's value only where it is one. */
static const char *safe_type(const char *type)
{
	for (const char *p = type; *p; p++) {
		if (*p < ' ' || *p > '~')
			return "application/octet-stream";
	}
	return *type ? type : "application/octet-stream";
}

static void add_safety(struct http_request *r)
{
	http_answer_header(r, "Content-Security-Policy", "sandbox; default-src 'none'");
	http_answer_header(r, "Content-Disposition", "attachment");
}

/* ---- from the object store ---- */

static void free_sending(struct sending *s)
{
	DL_DELETE(s->gateway->sending, s);
	object_get_cancel(&s->get);
	buf_release(&s->chunk);
	free(s->content_type);
	free(s);
}

static ssize_t on_read(void *data, char *out, size_t max)
{
	struct sending *s = data;
	size_t n = MIN_OF(max, s->chunk.len - s->sent);

	if (n > 0) {
		memcpy(out, s->chunk.data + s->sent, n);
		s->sent += n;
		if (s->sent == s->chunk.len && s->get) {
			buf_reset(&s->chunk);
			s->sent = 0;
			object_get_go_on(s->get);
		}
		return (ssize_t)n;
	}
	return s->broken ? -2 : s->all ? -1 : 0;
}

static void on_close(void *data)
{
	free_sending(data);
}

static void on_info(void *data, const struct object_info *info)
{
	struct sending *s = data;
	const struct http_stream stream = {on_read, on_close, s};
	const char *type = *s->content_type     ? s->content_type
					   : info->content_type ? info->content_type
											: "";

	s->answered = true;
	add_safety(s->request);
	object_get_go_on(s->get);
	http_reply_stream(s->request, 200, safe_type(type), info->size_bytes, &stream);
}

static void on_chunk(void *data, const void *bytes, size_t len)
{
	struct sending *s = data;

	buf_add(&s->chunk, bytes, len);
	http_stream_wake(s->request);
}

static void on_end(void *data, const struct err *e)
{
	struct sending *s = data;

	s->get = NULL;
	if (!s->answered) {
		http_fail(s->request, e);
		free_sending(s);
		return;
	}
	s->all = !e;
	s->broken = e;
	http_stream_wake(s->request);
}

static void send_object(struct gateway *g, struct http_request *r, const char *ref,
						const char *type)
{
	struct object_ref at;
	struct err e;
	struct sending *s;

	if (object_ref_parse(ref, &at, &e)) {
		http_fail(r, &e);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	*s = (struct sending){.gateway = g, .request = r, .content_type = xstrdup(type)};
	DL_APPEND(g->sending, s);
	const struct object_get_events ev = {on_info, on_chunk, on_end, s};
	if (object_get(g->bus, at.bucket, at.name, PATIENCE_MS, &ev, &s->get, &e)) {
		http_fail(r, &e);
		free_sending(s);
	}
}

void result_release(struct gateway *g)
{
	while (g->sending) { /* streams are closed already: these did not get so far */
		http_problem(g->sending->request, 503, NULL, "the gateway is ending");
		free_sending(g->sending);
	}
}

/* ---- from the row ---- */

void result_reply(struct gateway *g, struct http_request *r, const json_t *task, const char *key)
{
	CLEANUP(buf_release) struct buf bytes = {0};
	bool result = str_eq(key, "result");
	const char *object = result ? text(task, "result_object") : "",
			   *type = text(task, "content_type");

	http_answer_header(r, "Task-Id", text(task, "id"));
	http_answer_header(r, "Task-State", text(task, "state"));
	if (!result) {
		const json_t *headers = json_object_get(task, "headers");

		type = text(headers, "Content-Type");
		object = text(headers, "Task-Object");
	}
	if (*object) {
		send_object(g, r, object, type);
	} else if (task_view_bytes(task, key, &bytes)) {
		add_safety(r);
		http_reply(r, 200, safe_type(type), bytes.data ? bytes.data : "", bytes.len);
	} else if (json_is_true(json_object_get(task, "result_expired"))) {
		http_problem(r, 404, NULL, "its %s has expired and was removed", key);
	} else if (result && !task_view_ended(task)) {
		http_problem(r, 404, NULL, "it is %s: there is no result yet; ?wait= waits for it",
					 text(task, "state"));
	} else {
		http_problem(r, 404, NULL, "no %s of it is kept", key);
	}
}
