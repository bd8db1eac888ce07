/*
 * Runs a pure function for each task, where it disturbs nobody: a body too
 * large for the loop is copied and goes to uv's threads (a copy, for the
 * task's own may be gone when the node gives up waiting). A cancelled one
 * that has not begun ends at once, one that has begun ends by itself, soon.
 * Closing waits for the threads.
 */
#include "node/handlers/compute.h"

#include <utlist.h>

#include "common/section.h"

struct compute {
	struct handler *handler;
	const struct compute_kind *kind;
	struct job *jobs;
	bool closing;
};

struct job {
	uv_work_t work;
	struct compute *compute;
	struct handler_run *run; /* NULL: dropped */
	char *body, *content_type;
	size_t len;
	struct buf out;
	struct err error;
	int rc;
	struct job *prev, *next;
};

static void finish(struct handler_run *run, const struct compute_kind *k, int rc, struct buf *out,
                   const struct err *e)
{
	struct handler_result r = {.outcome = RESULT_OK, .content_type = k->content_type};
	if (rc < 0) {
		r = (struct handler_result){
			.outcome = RESULT_FAILED, .error = e->text, .permanent = rc == ERR_INVALID || rc == ERR_TOO_LARGE};
		buf_release(out);
	} else {
		r.len = out->len;
		r.data = buf_take(out);
	}
	handler_done(run, &r);
}

static void free_compute(struct compute *c)
{
	struct handler *h = c->handler;
	free(c);
	h->state = NULL;
	handler_closed(h);
}

static void work(uv_work_t *w)
{
	struct job *j = w->data;
	j->rc = j->compute->kind->fn(j->content_type, j->body, j->len, &j->out, &j->error);
}

static void on_worked(uv_work_t *w, int status)
{
	struct job *j = w->data;
	struct compute *c = j->compute;
	if (status < 0)
		j->rc = err_set(&j->error, ERR_CLOSED, "it was cancelled before it began");
	DL_DELETE(c->jobs, j);
	bool last = c->closing && c->jobs == NULL;
	if (j->run) {
		finish(j->run, c->kind, j->rc, &j->out, &j->error);
	}
	buf_release(&j->out);
	free(j->body);
	free(j->content_type);
	free(j);
	if (last)
		free_compute(c);
}

void compute_start(struct handler *h, struct handler_run *run)
{
	struct compute *c = h->state;
	const struct handler_task *t = &run->task;
	run->state = NULL;
	if (t->len <= c->kind->inline_bytes) {
		struct buf out = {0};
		struct err e = {0};
		int rc = c->kind->fn(t->content_type, t->body, t->len, &out, &e);
		finish(run, c->kind, rc, &out, &e);
		return;
	}
	struct job *j = xcalloc(1, sizeof *j);
	j->compute = c;
	j->run = run;
	j->body = xmemdup0(t->body, t->len);
	j->len = t->len;
	j->content_type = t->content_type ? xstrdup(t->content_type) : NULL;
	j->work.data = j;
	run->state = j;
	DL_APPEND(c->jobs, j);
	if (uv_queue_work(h->ctx->loop, &j->work, work, on_worked) < 0)
		on_worked(&j->work, UV_ECANCELED);
}

void compute_cancel(struct handler *h, struct handler_run *run)
{
	(void)h;
	struct job *j = run->state;
	(void)uv_cancel((uv_req_t *)&j->work); /* begun already: then it ends by itself */
}

int compute_open(struct handler *h, const struct compute_kind *k, const struct doc *config,
                 struct err *e)
{
	struct compute *c = xcalloc(1, sizeof *c);
	c->handler = h;
	c->kind = k;
	h->state = c;
	return section_read(config, NULL, SECTION_COMMON_KEYS, NULL, e);
}

void compute_close(struct handler *h)
{
	struct compute *c = h->state;
	struct job *j = NULL;
	c->closing = true;
	DL_FOREACH(c->jobs, j) {
		j->run = NULL;
		(void)uv_cancel((uv_req_t *)&j->work);
	}
	if (c->jobs == NULL)
		free_compute(c);
}
