/*
 * One agent process of a worker handler (the states are drawn in worker.h).
 *
 * It goes well: tasks are framed to its stdin, "result" and "fail" frames
 * come back in any order; a process long without work gets the end of its
 * stdin and ends. It fails: whatever it was doing fails as a crash, and it
 * is started again after a growing pause. It says what is no frame: killed,
 * and the error says what it said. A cancelled task that it does not let go
 * within the grace: killed too, but then its other tasks go back unspent,
 * for only one of them is to blame. It answers no pings: killed as well.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "node/handlers/environment.h"
#include "node/handlers/scratch.h"
#include "common/section.h"
#include "node/handlers/tail.h"
#include "node/handlers/worker.h"

enum { ERROR_MAX = 1400, FAILURES_MAX = 16 };

static void on_timer(uv_timer_t *t);

struct agent *agent_new(struct worker *w)
{
	struct agent *a = xcalloc(1, sizeof *a);
	a->worker = w;
	a->state = AGENT_DOWN;
	a->in.body_max_bytes = (size_t)w->program.limits.output_bytes;
	uv_timer_init(w->handler->ctx->loop, &a->timer);
	uv_timer_init(w->handler->ctx->loop, &a->beat);
	a->timer.data = a->beat.data = a;
	a->open_timers = 2;
	DL_APPEND(w->agents, a);
	w->nagents++;
	return a;
}

static void on_timer_closed(uv_handle_t *t)
{
	struct agent *a = t->data;
	if (--a->open_timers == 0)
		worker_agent_closed(a);
}

void agent_discard(struct agent *a)
{
	DL_DELETE(a->worker->agents, a);
	uv_close((uv_handle_t *)&a->timer, on_timer_closed);
	uv_close((uv_handle_t *)&a->beat, on_timer_closed);
}

bool agent_has_room(const struct agent *a)
{
	return a->state == AGENT_UP && a->protocol.code == 0 && !a->hung && !a->retire &&
		   a->count < (unsigned)a->worker->agents_each;
}

bool agent_is_gone(const struct agent *a)
{
	return a->child == NULL;
}

static void arm(struct agent *a, int64_t ms)
{
	uv_update_time(a->timer.loop);
	uv_timer_start(&a->timer, on_timer, (uint64_t)MAX_OF(ms, 0), 0);
}

/* While UP: the next cancel's deadline if there is one, else the end of idling, else nothing. */
static void arm_up(struct agent *a)
{
	int64_t deadline_ms = INT64_MAX;
	struct assignment *s = NULL;
	DL_FOREACH(a->assigned, s) {
		if (s->cancel_deadline_ms > 0)
			deadline_ms = MIN_OF(deadline_ms, s->cancel_deadline_ms);
	}
	uv_timer_stop(&a->timer);
	if (deadline_ms < INT64_MAX) {
		arm(a, deadline_ms - clock_mono_ms());
	} else if (a->count == 0 && a->worker->idle_ns > 0) {
		arm(a, a->worker->idle_ns / NS_PER_MS);
	}
}

static void back_off(struct agent *a)
{
	const struct worker *w = a->worker;
	a->state = AGENT_BACKOFF;
	int64_t ns = w->backoff_min_ns << MIN_OF(a->failures, 20u);
	ns = ns <= 0 || ns > w->backoff_max_ns ? w->backoff_max_ns : ns;
	a->failures += a->failures < FAILURES_MAX;
	if (!w->closing)
		arm(a, ns / NS_PER_MS);
}

/* ---- what it says ---- */

static struct assignment *find(struct agent *a, json_int_t number)
{
	struct assignment *s = NULL;
	DL_FOREACH(a->assigned, s) {
		if ((json_int_t)s->number == number)
			return s;
	}
	return NULL;
}

static void release(struct agent *a, struct assignment *s)
{
	DL_DELETE(a->assigned, s);
	a->count--;
	a->failures = 0;
	if (a->id)
		a->active_wall_ns = a->heard_wall_ns = clock_wall_ns();
}

static void take_result(struct agent *a, struct assignment *s, const struct frame *f)
{
	const char *type = json_string_value(json_object_get(f->header, "content_type"));
	struct handler_result r = {
		.outcome = RESULT_OK,
		.data = f->len ? xmemdup0(f->body, f->len) : NULL,
		.len = f->len,
		.content_type = type ? type : a->worker->content_type,
	};
	release(a, s);
	a->tasks++;
	assignment_finish(s, &r);
}

/* It failed, or (returned) was not begun, as what the agent needs is away. */
static void take_fail(struct agent *a, struct assignment *s, const struct frame *f, bool returned)
{
	const json_t *error = json_object_get(f->header, "error");
	const json_t *after = json_object_get(f->header, "retry_after_ms");
	char words[TAIL_LINE_MAX];
	const char *text = json_string_value(error);
	line_clean(text ? text : "", text ? json_string_length(error) : 0, words, sizeof words);
	struct handler_result r = {
		.outcome = returned ? RESULT_RETURNED : RESULT_FAILED,
		.error = *words ? words : "the agent gave no reason",
		.reason = returned ? "breaker" : NULL,
		.permanent = !returned && json_is_true(json_object_get(f->header, "permanent")),
	};
	json_int_t after_ms = json_integer_value(after);
	if (after_ms > 0 && after_ms < 86400 * 1000)
		r.retry_after_ns = after_ms * NS_PER_MS;
	release(a, s);
	bool called_off = s->cancel_deadline_ms > 0 && s->run && !s->run->late;
	a->errors += !returned && !called_off;
	assignment_finish(s, &r);
}

static int take_frame(struct agent *a, const struct frame *f, struct err *e)
{
	const char *op = json_string_value(json_object_get(f->header, "op"));
	if (op == NULL)
		return err_set(e, ERR_PROTOCOL, "a frame has no \"op\"");
	if (str_eq(op, "pong")) {
		agent_beat_heard(a);
		return 0;
	}
	if (str_eq(op, "ready")) {
		if (json_is_true(json_object_get(f->header, "ping")))
			agent_beat_start(a);
		return 0;
	}
	bool result = str_eq(op, "result"), returned = str_eq(op, "return");
	if (!result && !returned && !str_eq(op, "fail"))
		return err_set(e, ERR_PROTOCOL,
					   "a frame's op is \"%.32s\", not result, fail, return, ready or pong", op);
	const json_t *number = json_object_get(f->header, "run");
	struct assignment *s = json_is_integer(number) ? find(a, json_integer_value(number)) : NULL;
	if (s == NULL)
		return err_set(e, ERR_PROTOCOL, "a frame answers no task that it has");
	if (result) {
		take_result(a, s, f);
	} else {
		take_fail(a, s, f, returned);
	}
	return 0;
}

static void on_output(void *data, const char *bytes, size_t len)
{
	struct agent *a = data;
	if (a->protocol.code < 0 || a->child == NULL)
		return;
	frame_feed(&a->in, bytes, len);
	struct frame f;
	int rc;
	while ((rc = frame_next(&a->in, &f, &a->protocol)) == 1) {
		rc = take_frame(a, &f, &a->protocol);
		json_decref(f.header);
		if (rc < 0)
			break;
	}
	if (rc < 0) {
		frame_reader_release(&a->in);
		child_kill(a->child);
	} else if (a->state == AGENT_UP && !agent_retires(a)) {
		arm_up(a);
	}
	if (a->worker->spawned)
		spawned_recount(a->worker);
	worker_turn(a->worker);
}

/* ---- its end ---- */

static void fail_all(struct assignment *list, bool killed_for_one, const char *error, bool permanent)
{
	while (list) {
		struct assignment *s = list;
		DL_DELETE(list, s);
		bool spared = killed_for_one && s->cancel_deadline_ms == 0;
		struct handler_result r = {
			.outcome = spared ? RESULT_RETURNED : RESULT_FAILED,
			.error = error,
			.reason = permanent ? NULL : "crash",
			.permanent = permanent,
		};
		assignment_finish(s, &r);
	}
}

static bool cannot_run(const struct child_end *end)
{
	return end->kind == CHILD_NOT_FOUND && end->number != EAGAIN && end->number != ENOMEM &&
	       end->number != ESRCH;
}

static void describe(const struct agent *a, const struct child_end *end, char out[ERROR_MAX])
{
	const char *name = a->worker->program.argv[0];
	if (a->protocol.code < 0) {
		snprintf(out, ERROR_MAX, "the agent process %.300s sent what it must not: %s", name,
		         a->protocol.text);
	} else if (a->hung) {
		snprintf(out, ERROR_MAX,
				 "the agent process %.300s hung: it answered no ping for two intervals", name);
	} else if (a->killed_for_one) {
		snprintf(out, ERROR_MAX, "the agent process %.300s was killed for a task that it would not end",
		         name);
	} else {
		int n = snprintf(out, ERROR_MAX, "the agent process %.300s ", name);
		child_end_describe(end, out + n, ERROR_MAX - (size_t)n);
	}
}

/* Its process is gone. */
static void settle_spawned(struct agent *a)
{
	struct worker *w = a->worker;
	if (a->dismissed) {
		agent_discard(a);
	} else {
		a->retire = false;
		if (a->state == AGENT_DOWN)
			agent_start(a);
	}
	spawned_recount(w);
}

static void on_end(void *data, const struct child_end *end)
{
	struct agent *a = data;
	struct worker *w = a->worker;
	char error[ERROR_MAX];
	describe(a, end, error);
	/* One that was spawned has no reason of its own to end. */
	bool orderly = end->kind == CHILD_EXITED && end->number == 0 && a->count == 0 && a->id == NULL;
	bool hopeless = cannot_run(end);
	bool unasked = !orderly && (a->state != AGENT_ENDING || a->killed_for_one);
	uv_timer_stop(&a->timer);
	agent_beat_stop(a);
	frame_reader_release(&a->in);
	free(TAKE(a->dir));
	a->child = NULL;
	if (orderly || a->state == AGENT_ENDING) {
		a->state = AGENT_DOWN;
	} else {
		back_off(a);
		if (a->id && !w->closing)
			log_warn("agent process ended, starting it again", LOG_S("agent", a->id),
					 LOG_S("type", w->handler->type), LOG_S("why", error));
		else if (!w->closing)
			log_warn("agent process ended, starting it again when needed",
			         LOG_S("type", w->handler->type), LOG_S("why", error));
	}
	a->errors += unasked && !w->closing;
	struct assignment *assigned = TAKE(a->assigned);
	bool killed_for_one = a->killed_for_one;
	a->count = 0;
	a->killed_for_one = a->hung = false;
	a->protocol = (struct err){0};
	if (a->id && !w->closing)
		settle_spawned(a);
	/* From here on it may be up again, or gone: a task that ends brings the next. */
	fail_all(assigned, killed_for_one, error, hopeless);
	if (hopeless)
		worker_fail_waiting(w, error, true);
	worker_turn(w);
}

void agent_end(struct agent *a, bool at_once)
{
	uv_timer_stop(&a->timer);
	agent_beat_stop(a);
	if (a->child == NULL)
		return;
	a->state = AGENT_ENDING;
	if (at_once) {
		child_kill(a->child);
	} else {
		child_end_input(a->child);
		arm(a, a->worker->program.limits.grace_ns / NS_PER_MS);
	}
}

bool agent_retires(struct agent *a)
{
	if (!a->retire || a->count > 0 || a->state != AGENT_UP)
		return false;
	agent_end(a, false);
	return true;
}

static bool any_overdue(const struct agent *a)
{
	int64_t now_ms = clock_mono_ms();
	const struct assignment *s = NULL;
	DL_FOREACH(a->assigned, s) {
		if (s->cancel_deadline_ms > 0 && s->cancel_deadline_ms <= now_ms)
			return true;
	}
	return false;
}

static void on_timer(uv_timer_t *t)
{
	struct agent *a = t->data;
	switch (a->state) {
	case AGENT_DOWN:
		break;
	case AGENT_UP:
		if (any_overdue(a)) {
			a->killed_for_one = true;
			a->state = AGENT_ENDING; /* takes nothing new */
			agent_beat_stop(a);
			child_kill(a->child);
			if (a->worker->spawned)
				spawned_recount(a->worker);
		} else if (a->count == 0) {
			agent_end(a, false);
		} else {
			arm_up(a);
		}
		break;
	case AGENT_ENDING:
		child_stop(a->child);
		break;
	case AGENT_BACKOFF:
		a->state = AGENT_DOWN;
		if (a->id) {
			agent_start(a);
			spawned_recount(a->worker);
		}
		worker_turn(a->worker);
		break;
	}
}

/* ---- its beginning, and what it is told ---- */

static void tell(struct agent *a, json_t *header, const void *body, size_t len)
{
	struct buf b = {0};
	struct err e;
	int rc = header ? frame_write(header, body, len, &b, &e) : ERR_FAILED;
	json_decref(header);
	if (rc < 0) {
		buf_release(&b);
		return; /* not possible within the body limit */
	}
	size_t n = b.len;
	child_write_owned(a->child, buf_take(&b), n);
}

void agent_tell(struct agent *a, json_t *header)
{
	tell(a, header, NULL, 0);
}

static void greet(struct agent *a)
{
	const struct worker *w = a->worker;
	json_t *hello = json_pack(
		"{s:s, s:i, s:b, s:s, s:s, s:I}", "op", "hello", "version", 1, "returns", 1, "type", w->handler->type, "node",
		w->handler->ctx->node ? w->handler->ctx->node : "", "agents", (json_int_t)w->agents_each);
	if (a->heartbeat_ms > 0)
		json_object_set_new(hello, "heartbeat_interval_ms",
							json_integer((json_int_t)a->heartbeat_ms));
	agent_tell(a, hello);
}

/* What the handler's entry says, and who it is. */
static char **configured_env(const struct agent *a)
{
	char **env = NULL;
	for (char *const *v = a->worker->program.env; v && *v; v++) {
		strings_add(&env, xstrdup(*v));
	}
	if (a->id) {
		strings_add(&env, xasprintf("MILLRACE_AGENT_ID=%s", a->id));
		strings_add(&env, xasprintf("MILLRACE_AGENT_ROLE=%s", a->worker->handler->type));
		strings_add(&env, xasprintf("MILLRACE_PROJECT_ID=%s", a->project ? a->project : ""));
	}
	return env;
}

static int launch(struct agent *a, struct err *e)
{
	const struct worker *w = a->worker;
	const struct handler *h = w->handler;
	int rc = scratch_make(h->ctx->node, &a->dir, e);
	if (rc < 0)
		return rc;
	CLEANUP(strings_free) char **argv = program_argv(&w->program, NULL, a->dir);
	CLEANUP(strings_free) char **configured = configured_env(a);
	CLEANUP(strings_free)
	char **env = environment_make(a->dir, h->ctx->node, h->type, NULL, NULL, configured);
	const struct child_spec spec = {
		.loop = h->ctx->loop,
		.argv = argv,
		.env = env,
		.directory = w->program.directory ? w->program.directory : a->dir,
		.scratch = a->dir,
		.limits = &w->program.limits,
	};
	const struct child_events ev = {on_output, on_end, a};
	rc = child_start(&spec, &ev, &a->child, e);
	if (rc < 0) {
		scratch_discard(a->dir);
		free(TAKE(a->dir));
	}
	return rc;
}

void agent_start(struct agent *a)
{
	struct err e = {0};
	if (launch(a, &e) < 0) {
		log_warn("agent process cannot be started, trying again", LOG_S("type", a->worker->handler->type),
		         LOG_S("why", e.text));
		a->errors++;
		back_off(a);
		return;
	}
	a->state = AGENT_UP;
	a->answers_pings = false;
	a->started_wall_ns = a->heard_wall_ns = clock_wall_ns();
	greet(a);
}

static json_t *headers_of(const struct handler_task *t)
{
	json_t *headers = json_object();
	for (size_t i = 0; i < t->nheaders; i++) {
		const struct bus_header *h = &t->headers[i];
		if (utf8_ok(h->name, strlen(h->name)) && utf8_ok(h->value, strlen(h->value)))
			json_object_set_new(headers, h->name, json_string(h->value));
	}
	return headers;
}

void agent_assign(struct agent *a, struct assignment *s)
{
	const struct handler_task *t = &s->run->task;
	s->agent = a;
	DL_APPEND(a->assigned, s);
	a->count++;
	a->active_wall_ns = a->id ? clock_wall_ns() : 0; /* the others are chosen in their order */
	json_t *header = json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:o}", "op", "task", "run",
	                           (json_int_t)s->number, "id", t->id, "type", t->type, "attempt",
	                           (json_int_t)t->attempt, "epoch", (json_int_t)t->epoch, "timeout_ms",
	                           (json_int_t)(t->timeout_ns / NS_PER_MS), "headers", headers_of(t));
	if (header && t->content_type && utf8_ok(t->content_type, strlen(t->content_type)))
		json_object_set_new(header, "content_type", json_string(t->content_type));
	if (header && t->file) {
		json_object_set_new(header, "file", json_string(t->file));
		json_object_set_new(header, "file_bytes", json_integer((json_int_t)t->file_bytes));
	}
	tell(a, header, t->body, t->len);
	arm_up(a);
}

void agent_cancel(struct agent *a, struct assignment *s)
{
	int64_t grace_ms = a->worker->program.limits.grace_ns / NS_PER_MS;
	s->cancel_deadline_ms = clock_mono_ms() + MAX_OF(grace_ms, 1);
	if (a->state != AGENT_UP)
		return; /* it is ending anyway */
	agent_tell(a, json_pack("{s:s, s:I}", "op", "cancel", "run", (json_int_t)s->number));
	arm_up(a);
}
