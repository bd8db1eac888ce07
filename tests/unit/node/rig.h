/*
 * A loop with handlers on it, and tasks to give them: what the tests of
 * handlers stand on. A program that uses it starts its main with RIG_MAIN,
 * for the launcher is this very program again.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "node/handler.h"
#include "node/handlers/exec_child.h"

struct rig {
	uv_loop_t loop;
	struct handler_context ctx;
	struct handlers *handlers;
	bool closed;
};

struct rig_run {
	struct handler_run run;
	bool done;
	enum handler_outcome outcome;
	char *data; /* always followed by a NUL */
	size_t len;
	char content_type[64], error[2048], reason[32];
	bool permanent;
	int64_t retry_after_ns;
	uv_timer_t cancel_at;
};

#define RIG_MAIN(argc, argv)                                                                       \
	do {                                                                                           \
		if (exec_child_wanted((argc), (argv)))                                                     \
			return exec_child_main((argc), (argv));                                                \
		alarm(100);                                                                                \
	} while (0)

UNUSED static struct doc *rig_doc(const char *yaml)
{
	char path[] = "/tmp/millrace-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
	close(fd);
	struct doc *d = NULL;
	struct err e = {0};
	if (doc_read(path, &d, &e) < 0)
		fail_msg("%s", e.text);
	unlink(path);
	return d;
}

/* yaml: the list alone; NULL for the built-ins. */
UNUSED static void rig_open(struct rig *r, const char *yaml)
{
	struct err e = {0};
	struct doc *d = yaml ? rig_doc(yaml) : NULL;
	memset(r, 0, sizeof *r);
	assert_int_equal(uv_loop_init(&r->loop), 0);
	r->ctx = (struct handler_context){.loop = &r->loop, .node = "rig"};
	if (handlers_open(d, &r->ctx, &r->handlers, &e) < 0)
		fail_msg("%s", e.text);
	doc_free(d);
}

static void rig_on_closed(void *data)
{
	((struct rig *)data)->closed = true;
}

/* Nothing may be left on the loop. */
UNUSED static void rig_close(struct rig *r)
{
	handlers_close(&r->handlers, rig_on_closed, r);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_true(r->closed);
	assert_int_equal(uv_loop_close(&r->loop), 0);
}

static void rig_on_done(struct handler_run *run, struct handler_result *result)
{
	struct rig_run *r = container_of(run, struct rig_run, run);
	assert_false(r->done);
	r->done = true;
	r->outcome = result->outcome;
	r->len = result->len;
	r->data = xmemdup0(result->data ? result->data : "", result->len);
	if (!result->borrowed)
		free(result->data);
	snprintf(r->content_type, sizeof r->content_type, "%s", result->content_type ? result->content_type : "");
	snprintf(r->error, sizeof r->error, "%s", result->error ? result->error : "");
	snprintf(r->reason, sizeof r->reason, "%s", result->reason ? result->reason : "");
	r->permanent = result->permanent;
	r->retry_after_ns = result->retry_after_ns;
}

UNUSED static struct rig_run *rig_start(struct rig *r, const char *type, const void *body, size_t len)
{
	struct handler *h = handlers_find(r->handlers, type);
	assert_non_null(h);
	struct rig_run *run = xcalloc(1, sizeof *run);
	run->run = (struct handler_run){
		.handler = h,
		.task = {.id = "task-1", .type = h->type, .body = xmemdup0(body, len), .len = len, .attempt = 2,
	             .epoch = (UINT64_C(3) << 32) + 7, .timeout_ns = 60 * NS_PER_S},
		.on_done = rig_on_done,
	};
	h->kind->start(h, &run->run);
	return run;
}

UNUSED static struct rig_run *rig_start_text(struct rig *r, const char *type, const char *body)
{
	return rig_start(r, type, body, strlen(body));
}

static void rig_on_cancel(uv_timer_t *t)
{
	struct rig_run *run = t->data;
	if (!run->done)
		run->run.handler->kind->cancel(run->run.handler, &run->run);
	uv_close((uv_handle_t *)t, NULL);
}

UNUSED static void rig_cancel_in(struct rig *r, struct rig_run *run, uint64_t ms)
{
	run->cancel_at.data = run;
	uv_timer_init(&r->loop, &run->cancel_at);
	uv_timer_start(&run->cancel_at, rig_on_cancel, ms, 0);
}

UNUSED static void rig_wait(struct rig *r, struct rig_run *run)
{
	while (!run->done) {
		assert_true(uv_run(&r->loop, UV_RUN_ONCE) || run->done);
	}
}

/* Lets the loop go on for so long. */
UNUSED static void rig_idle(struct rig *r, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	while (clock_mono_ms() < until) {
		uv_run(&r->loop, UV_RUN_NOWAIT);
		usleep(2000);
	}
}

UNUSED static void rig_free(struct rig_run *run)
{
	union {
		const void *from;
		void *data;
	} body = {.from = run->run.task.body};
	free(body.data);
	free(run->data);
	free(run);
}

UNUSED static struct rig_run *rig_do(struct rig *r, const char *type, const char *body)
{
	struct rig_run *run = rig_start_text(r, type, body);
	rig_wait(r, run);
	return run;
}
