/*
 * The built-in handlers that are a few lines each: echo, sleep, fail, flaky.
 * They exist to try a system out, and to test one. All but sleep answer at
 * once; sleep is a timer for each run, ended early by cancel. Bodies that
 * make no sense fail for good, with a sentence.
 */
#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "node/handlers/kinds.h"
#include "common/section.h"
#include "node/handlers/tail.h"

enum { BODY_TEXT_MAX = 64 };

static int open_plain(struct handler *h, const struct doc *config, struct err *e)
{
	(void)h;
	return section_read(config, NULL, SECTION_COMMON_KEYS, NULL, e);
}

static void close_plain(struct handler *h)
{
	handler_closed(h);
}

static void succeed_with_body(struct handler_run *run)
{
	struct handler_result r = {.outcome = RESULT_OK, .borrowed = true, .len = run->task.len,
	                           .content_type = run->task.content_type};
	union { /* data is void * for those who hand memory over; borrowed is only read */
		const void *from;
		void *data;
	} u = {.from = run->task.body};
	r.data = u.data;
	handler_done(run, &r);
}

static void fail_with(struct handler_run *run, const char *error, bool permanent)
{
	struct handler_result r = {.outcome = RESULT_FAILED, .error = error, .permanent = permanent};
	handler_done(run, &r);
}

/* A short body as a string without what surrounds it; false: too long or binary. */
static bool body_text(const struct handler_task *t, char out[BODY_TEXT_MAX])
{
	if (t->len >= BODY_TEXT_MAX || !utf8_ok(t->body, t->len))
		return false;
	line_clean(t->body, t->len, out, BODY_TEXT_MAX);
	return true;
}

/* ---- echo: the body ---- */

static void start_echo(struct handler *h, struct handler_run *run)
{
	(void)h;
	succeed_with_body(run);
}

const struct handler_kind kind_echo = {"echo", open_plain, start_echo, NULL, close_plain};

/* ---- fail: always, with the body as the error ---- */

static void start_fail(struct handler *h, struct handler_run *run)
{
	(void)h;
	char error[TAIL_LINE_MAX];
	line_clean(run->task.body, run->task.len, error, sizeof error);
	fail_with(run, *error ? error : "it was asked to fail", false);
}

const struct handler_kind kind_fail = {"fail", open_plain, start_fail, NULL, close_plain};

/* ---- flaky: the body is N: the first N attempts fail ---- */

static void start_flaky(struct handler *h, struct handler_run *run)
{
	(void)h;
	char text[BODY_TEXT_MAX], error[128];
	char *end = text;
	unsigned long n = body_text(&run->task, text) ? strtoul(text, &end, 10) : 0;
	if (end == text || *end != '\0' || *text == '-') {
		fail_with(run, "flaky takes a number: how many attempts are to fail", true);
		return;
	}
	if (run->task.attempt <= n) {
		snprintf(error, sizeof error, "attempt %u of %lu that were to fail", run->task.attempt, n);
		fail_with(run, error, false);
		return;
	}
	succeed_with_body(run);
}

const struct handler_kind kind_flaky = {"flaky", open_plain, start_flaky, NULL, close_plain};

/* ---- sleep: the body is a duration ---- */

struct sleeper {
	uv_timer_t timer;
	struct handler_run *run; /* NULL: dropped */
	struct sleepers *all;
	bool cancelled;
	struct sleeper *prev, *next;
};

struct sleepers {
	struct handler *handler;
	struct sleeper *asleep;
	bool closing;
};

static void free_sleepers(struct sleepers *all)
{
	struct handler *h = all->handler;
	free(all);
	h->state = NULL;
	handler_closed(h);
}

static void on_sleeper_closed(uv_handle_t *t)
{
	struct sleeper *s = t->data;
	struct sleepers *all = s->all;
	struct handler_run *run = s->run;
	bool cancelled = s->cancelled;
	DL_DELETE(all->asleep, s);
	free(s);
	bool last = all->closing && all->asleep == NULL;
	if (run && cancelled) {
		fail_with(run, "its sleep was cut short", false);
	} else if (run) {
		succeed_with_body(run);
	}
	if (last)
		free_sleepers(all);
}

static void wake(struct sleeper *s)
{
	if (!uv_is_closing((uv_handle_t *)&s->timer))
		uv_close((uv_handle_t *)&s->timer, on_sleeper_closed);
}

static void on_awake(uv_timer_t *t)
{
	wake(t->data);
}

static void start_sleep(struct handler *h, struct handler_run *run)
{
	struct sleepers *all = h->state;
	char text[BODY_TEXT_MAX], error[sizeof((struct err *)0)->text];
	int64_t ns;
	struct err e = {0};
	if (!body_text(&run->task, text) || duration_parse(text, &ns, &e) < 0) {
		snprintf(error, sizeof error, "sleep takes a duration such as 200ms%s%.300s",
		         *e.text ? ": " : "", e.text);
		fail_with(run, error, true);
		return;
	}
	struct sleeper *s = xcalloc(1, sizeof *s);
	s->run = run;
	s->all = all;
	s->timer.data = s;
	run->state = s;
	DL_APPEND(all->asleep, s);
	uv_timer_init(h->ctx->loop, &s->timer);
	uv_update_time(h->ctx->loop);
	uv_timer_start(&s->timer, on_awake, (uint64_t)((ns + NS_PER_MS - 1) / NS_PER_MS), 0);
}

static void cancel_sleep(struct handler *h, struct handler_run *run)
{
	(void)h;
	struct sleeper *s = run->state;
	s->cancelled = true;
	wake(s);
}

static int open_sleep(struct handler *h, const struct doc *config, struct err *e)
{
	struct sleepers *all = xcalloc(1, sizeof *all);
	all->handler = h;
	h->state = all;
	return open_plain(h, config, e);
}

static void close_sleep(struct handler *h)
{
	struct sleepers *all = h->state;
	struct sleeper *s = NULL;
	all->closing = true;
	DL_FOREACH(all->asleep, s) {
		s->run = NULL;
		wake(s);
	}
	if (all->asleep == NULL)
		free_sleepers(all);
}

const struct handler_kind kind_sleep = {"sleep", open_sleep, start_sleep, cancel_sleep, close_sleep};
