/*
 * One task, submitted and answered. It stands alone because an answer may come
 * twice as late as a submit: once it is durable, or, with ?wait=, once it has
 * ended. The wait begins before the publish, so that no end is missed.
 *
 * Fails: 400 with the field, 413, 503 while the broker is away or its streams are full. A
 * wait that is over is no failure: 202, and the task goes on.
 */
#include "gateway/submit.h"

#include <stdio.h>

#include "common/clock.h"
#include "gateway/recent.h"
#include "gateway/result.h"
#include "gateway/task_view.h"

#define RUN_WAIT_MS 60000

struct posted {
	struct gateway *gateway;
	struct http_request *request;
	const struct submit_style *style;
	char *text;
	struct draft_task draft;
	int64_t wait_ms; /* 0: none */
	struct wait *wait;
	bool published, duplicate, looking, over;
};

static const struct submit_style usual = {0};

static json_t *accepted(const char *id, const char *type, bool duplicate)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "id", id, "task_id", id, "type", type,
					 "state", "queued", "status", "queued", "duplicate", duplicate);
}

static void close_posted(struct posted *p)
{
	wait_stop(&p->wait);
	draft_task_release(&p->draft);
	free(p->text);
	free(p);
}

static void answer_accepted(struct posted *p)
{
	const char *id = p->draft.task.id, *type = p->draft.task.lane.type;
	CLEANUP(free_ptr) char *location = xasprintf("/api/v1/tasks/%s", id);

	http_answer_header(p->request, "Location", location);
	http_answer_header(p->request, "Task-Id", id);
	http_reply_json(p->request, 202,
					(p->style->accepted ? p->style->accepted : accepted)(id, type, p->duplicate));
	close_posted(p);
}

static void answer_ended(struct posted *p, const json_t *task)
{
	const char *state = json_string_value(json_object_get(task, "state"));
	const char *why = json_string_value(json_object_get(task, "error"));

	if (!p->style->result_only) {
		http_answer_header(p->request, "Task-Id", p->draft.task.id);
		http_reply_json(p->request, 200, (p->style->ended ? p->style->ended : task_view)(task));
	} else if (state && str_eq(state, "completed")) {
		result_reply(p->gateway, p->request, task, "result");
	} else {
		http_answer_header(p->request, "Task-Id", p->draft.task.id);
		http_answer_header(p->request, "Task-State", state ? state : "");
		http_problem(p->request, 422, NULL, "task %s is %s: %s", p->draft.task.id,
					 state ? state : "over", why ? why : "");
	}
	close_posted(p);
}

static void on_task(void *data, const struct ask_answer *a)
{
	struct posted *p = data;

	p->looking = false;
	if (a->json && task_view_ended(a->json))
		answer_ended(p, a->json);
	else if (p->over)
		answer_accepted(p);
}

static void look(struct posted *p)
{
	if (p->looking)
		return;
	p->looking = true;
	ask(p->gateway, "api.task.get", json_pack("{s:s}", "id", p->draft.task.id), on_task, p);
}

static void on_wait(void *data, enum wait_end why)
{
	struct posted *p = data;

	if (why == WAIT_OVER) {
		p->wait = NULL;
		p->over = true;
	}
	if (!p->published || p->looking)
		return; /* whoever is under way answers */
	if (why == WAIT_OVER || http_gone(p->request))
		answer_accepted(p);
	else
		look(p);
}

static void on_published(void *data, bool duplicate, const struct err *e)
{
	struct posted *p = data;

	if (e) {
		http_fail(p->request, e);
		close_posted(p);
		return;
	}
	p->published = true;
	p->duplicate = duplicate;
	recent_note(&p->gateway->recent, p->draft.task.id, p->draft.task.lane.type,
				p->draft.task.lane.name);
	if (p->wait_ms == 0 || p->over)
		answer_accepted(p);
	else if (duplicate)
		look(p); /* it may have ended long ago */
}

int submit_wait_ms(const struct http_request *r, int64_t default_ms, int64_t *ret_ms, struct err *e)
{
	const char *text = http_query(r, "wait");
	int64_t ns;

	*ret_ms = default_ms;
	if (!text)
		return 0;
	if (!*text || str_eq(text, "true")) {
		*ret_ms = SUBMIT_WAIT_DEFAULT_MS;
		return 0;
	}
	if (str_eq(text, "false"))
		return 0;
	if (duration_parse(text, &ns, NULL) || ns / NS_PER_MS > SUBMIT_WAIT_MOST_MS)
		return err_set(e, ERR_INVALID,
					   "wait: must be a duration up to 5m, such as 30s, not \"%.60s\"", text);
	*ret_ms = ns / NS_PER_MS;
	return 0;
}

static void begin(struct posted *p)
{
	struct err e;

	if (submit_wait_ms(p->request, p->style->result_only ? RUN_WAIT_MS : 0, &p->wait_ms, &e)) {
		http_fail(p->request, &e);
		close_posted(p);
		return;
	}
	if (p->wait_ms)
		p->wait = wait_start(&p->gateway->waits, p->draft.task.id, p->wait_ms, on_wait, p);
	submit_publish(p->gateway, &p->draft, on_published, p);
}

static struct posted *new_posted(struct gateway *g, struct http_request *r,
								 const struct submit_style *style)
{
	struct posted *p = xcalloc(1, sizeof(*p));

	p->gateway = g;
	p->request = r;
	p->style = style ? style : &usual;
	return p;
}

void submit_spec(struct gateway *g, struct http_request *r, const char *text, size_t len,
				 const struct submit_style *style)
{
	struct posted *p;
	struct err e;

	if (!http_hold(r, len))
		return;
	p = new_posted(g, r, style);
	p->text = xmemdup0(text, len);
	if (draft_task_json(g, p->text, len, http_header(r, "Idempotency-Key"), &p->draft, &e)) {
		http_fail(r, &e);
		close_posted(p);
		return;
	}
	begin(p);
}

void submit_raw(struct gateway *g, struct http_request *r, const char *type,
				const struct submit_style *style)
{
	struct posted *p = new_posted(g, r, style);
	struct err e;

	if (draft_task_raw(g, r, type, &p->draft, &e)) {
		http_fail(r, &e);
		close_posted(p);
		return;
	}
	begin(p);
}
