/*
 * /api/v1: tasks. Submitting one or many, in a spec or as they are; looking at
 * one, at many, at what one returned; ending, repeating and moving them.
 */
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "gateway/batch.h"
#include "gateway/pass.h"
#include "gateway/result.h"
#include "gateway/routes.h"
#include "gateway/submit.h"
#include "gateway/task_view.h"

#define SPEC_MAX_BYTES \
	((size_t)8 << 20) /* a spec is parsed, in memory; payloads as they are may be larger */

/* ---- submitting ---- */

/* The body in one piece, wherever it lies. False: it was answered. */
static bool whole_body(struct http_request *r, struct buf *spooled, const char **ret,
					   size_t *ret_len)
{
	uint64_t len;
	int fd = http_body_file(r, &len);

	if (fd < 0) {
		*ret = http_body(r, ret_len);
		return true;
	}
	if (len > SPEC_MAX_BYTES) {
		http_problem(r, 413, NULL,
					 "a task spelled out in JSON may have %zu bytes; POST /api/v1/submit/{type} "
					 "takes a larger "
					 "payload as it is",
					 SPEC_MAX_BYTES);
		return false;
	}
	buf_reserve(spooled, len + 1);
	while (spooled->len < len) {
		ssize_t n =
			pread(fd, spooled->data + spooled->len, len - spooled->len, (off_t)spooled->len);

		if (n <= 0) {
			http_problem(r, 507, NULL, "the body could not be read back");
			return false;
		}
		spooled->len += (size_t)n;
	}
	*ret = spooled->data;
	*ret_len = len;
	return true;
}

static const struct ask_param wait_param[] = {{"wait", NULL, ASK_TEXT}, {0}};

/* True: no parameter but ?wait=. */
static bool only_wait(struct http_request *r)
{
	return ask_query_ok(r, wait_param);
}

static void on_post(void *data, struct http_request *r)
{
	CLEANUP(buf_release) struct buf spooled = {0};
	const char *type = http_header(r, "Content-Type"), *text;
	bool ndjson = type && strcasestr(type, "ndjson");
	size_t len, blank = 0;

	if (!only_wait(r) || !whole_body(r, &spooled, &text, &len))
		return;
	while (blank < len && strchr(" \t\r\n", text[blank]))
		blank++;
	if (blank == len)
		http_problem(
			r, 400, NULL,
			"the body is empty; a task is JSON such as {\"type\":\"echo\",\"text\":\"hello\"}");
	else if (ndjson || text[blank] == '[')
		batch_submit(data, r, text, len, ndjson);
	else
		submit_spec(data, r, text, len, NULL);
}

static void on_submit(void *data, struct http_request *r)
{
	if (only_wait(r))
		submit_raw(data, r, http_param(r, "type"), NULL);
}

static void on_run(void *data, struct http_request *r)
{
	static const struct submit_style run = {.result_only = true};

	if (only_wait(r))
		submit_raw(data, r, http_param(r, "type"), &run);
}

/* ---- one task ---- */

struct looking {
	struct gateway *gateway;
	struct http_request *request;
	char id[TASK_ID_MAX + 1];
	const char *bytes_of; /* "result", "body"; NULL: the task */
	struct wait *wait;
	bool asking, over;
};

static void close_looking(struct looking *l)
{
	wait_stop(&l->wait);
	free(l);
}

/* Submitted a moment ago, and not stored yet: what is known of it. */
static bool answer_recent(struct looking *l)
{
	const struct recent_task *t = recent_find(&l->gateway->recent, l->id);

	if (!t)
		return false;
	json_t *task = json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", t->id, "type", t->type, "state",
							 "queued", "lane", t->lane, "attempt", 0);
	if (l->bytes_of)
		result_reply(l->gateway, l->request, task, l->bytes_of);
	else
		http_reply_json(l->request, 200, task_view(task));
	json_decref(task);
	return true;
}

static void ask_task(struct looking *l);

static void on_task(void *data, const struct ask_answer *a)
{
	struct looking *l = data;
	bool waits = l->wait && !l->over;

	l->asking = false;
	if (a->status == 404 && waits && recent_find(&l->gateway->recent, l->id))
		return;
	if (a->json && waits && !task_view_ended(a->json))
		return; /* a notice will tell */
	if (a->status == 404 && answer_recent(l)) {
		close_looking(l);
		return;
	}
	if (a->status != 200)
		ask_fail(l->request, a);
	else if (!a->json)
		http_problem(l->request, 502, NULL, "what the store answered is no JSON");
	else if (l->bytes_of)
		result_reply(l->gateway, l->request, a->json, l->bytes_of);
	else
		http_reply_json(l->request, 200, task_view(a->json));
	close_looking(l);
}

static void ask_task(struct looking *l)
{
	if (l->asking)
		return;
	l->asking = true;
	ask(l->gateway, "api.task.get", json_pack("{s:s}", "id", l->id), on_task, l);
}

static void on_wait(void *data, enum wait_end why)
{
	struct looking *l = data;

	if (why == WAIT_OVER) {
		l->wait = NULL;
		l->over = true;
	} else if (http_gone(l->request)) {
		l->over = true; /* the next answer ends it */
	}
	ask_task(l);
}

static void look(struct gateway *g, struct http_request *r, const char *bytes_of)
{
	const char *id = http_param(r, "id");
	struct looking *l;
	int64_t wait_ms;
	struct err e;

	if (!only_wait(r))
		return;
	if (submit_wait_ms(r, 0, &wait_ms, &e)) {
		http_fail(r, &e);
		return;
	}
	if (!task_id_ok(id, strlen(id))) {
		http_problem(r, 404, NULL, "\"%.100s\" can be no task's id", id);
		return;
	}
	l = xcalloc(1, sizeof(*l));
	*l = (struct looking){.gateway = g, .request = r, .bytes_of = bytes_of};
	snprintf(l->id, sizeof(l->id), "%s", id);
	if (wait_ms)
		l->wait = wait_start(&g->waits, l->id, wait_ms, on_wait, l);
	ask_task(l);
}

static void on_get(void *data, struct http_request *r)
{
	look(data, r, NULL);
}

static void on_result(void *data, struct http_request *r)
{
	look(data, r, "result");
}

static void on_body(void *data, struct http_request *r)
{
	look(data, r, "body");
}

static const struct ask_param list_params[] = {{"state", "states", ASK_LIST},
											   {"type", NULL, ASK_TEXT},
											   {"lane", NULL, ASK_TEXT},
											   {"node", NULL, ASK_TEXT},
											   {"project", NULL, ASK_TEXT},
											   {"limit", NULL, ASK_NUMBER},
											   {"cursor", NULL, ASK_TEXT},
											   {"after", "after_at", ASK_TIME},
											   {"before", "before_at", ASK_TIME},
											   {"with_body", NULL, ASK_BOOL},
											   {0}};

#define V1 "/api/v1"

const struct http_route task_routes[] = {
	{"POST", V1 "/tasks", SCOPE_SUBMIT, on_post, HTTP_LARGE, NULL},
	{"POST", V1 "/submit/{type}", SCOPE_SUBMIT, on_submit, HTTP_LARGE, NULL},
	{"POST", V1 "/run/{type}", SCOPE_SUBMIT, on_run, HTTP_LARGE, NULL},
	PASS("GET", V1 "/tasks", SCOPE_READ, "api.task.list", .query = list_params),
	PASS("POST", V1 "/tasks/cancel", SCOPE_OPERATE, "api.task.cancel", .body = true),
	{"GET", V1 "/tasks/{id}", SCOPE_READ, on_get, 0, NULL},
	{"GET", V1 "/tasks/{id}/result", SCOPE_READ, on_result, 0, NULL},
	{"GET", V1 "/tasks/{id}/body", SCOPE_READ, on_body, 0, NULL},
	PASS("DELETE", V1 "/tasks/{id}", SCOPE_OPERATE, "api.task.cancel", "id"),
	PASS("POST", V1 "/tasks/{id}/cancel", SCOPE_OPERATE, "api.task.cancel", "id", .body = true),
	PASS("POST", V1 "/tasks/{id}/retry", SCOPE_OPERATE, "api.task.retry", "id", .body = true,
		 .status = 202),
	PASS("POST", V1 "/tasks/{id}/reassign", SCOPE_OPERATE, "api.task.reassign", "id", .body = true),
	{0},
};
