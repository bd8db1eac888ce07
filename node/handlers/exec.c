/*
 * Kind `exec`: one program for each task, argv and never a shell.
 *
 *	- type: words
 *	  kind: exec
 *	  command: [wc, -w]        # {file} and {dir} are replaced
 *	  input: stdin             # or file: the body lies in {file}
 *	  content_type: text/plain # of the result
 *	  permanent: [64, 65]      # exit codes after which trying again cannot help
 *
 * The body of a task that names an object is a file already (the node fetched
 * it): it is {file}, and with input: stdin the program's stdin is that file.
 *
 * It goes well: a fresh directory; with input: file the body is written
 * there (in a thread: it may be large); the program starts, gets the body on
 * stdin, and what it wrote to stdout is the result when it exits 0. Exit 75
 * (EX_TEMPFAIL) and any other code fail the attempt; the error is the end of
 * stderr, and where its last line is "Retry-After: 30s" or "Retry-After: never"
 * it is tried again then, or not. Too much output ends it at once. On cancel TERM, then KILL. A
 * program that is not there fails for good, with its name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

#include "node/handlers/child.h"
#include "node/handlers/environment.h"
#include "node/handlers/kinds.h"
#include "node/handlers/program.h"
#include "node/handlers/retry_after.h"
#include "node/handlers/scratch.h"
#include "common/section.h"

enum { EXIT_RETRY = 75, ERROR_MAX = 1400 };

struct exec {
	struct handler *handler;
	struct program program;
	char *input, *content_type;
	char **permanent;
	struct execution *running;
	bool closing;
};

struct execution {
	struct exec *exec;
	struct handler_run *run; /* NULL: dropped, nobody waits for it */
	struct child *child;     /* NULL: not started yet */
	char *dir, *file;
	struct buf out;
	bool over, cancelled;
	uv_work_t write;
	char *body; /* a copy while the thread writes it */
	size_t body_len;
	struct err write_error;
	struct execution *prev, *next;
};

static const struct config_key keys[] = {
	{"input", CONFIG_STRING, offsetof(struct exec, input), "stdin", "stdin or file"},
	{"content_type", CONFIG_STRING, offsetof(struct exec, content_type), NULL, "of the result"},
	{0},
};

/* ---- the end of an execution ---- */

static void free_exec(struct exec *x)
{
	struct handler *h = x->handler;
	program_release(&x->program);
	section_release(keys, x);
	strings_free(&x->permanent);
	free(x);
	h->state = NULL;
	handler_closed(h);
}

static void finish(struct execution *n, struct handler_result *r)
{
	struct exec *x = n->exec;
	struct handler_run *run = n->run;
	DL_DELETE(x->running, n);
	bool last = x->closing && x->running == NULL;
	buf_release(&n->out);
	free(n->dir);
	free(n->file);
	free(n->body);
	free(n);
	if (run) {
		handler_done(run, r);
	} else {
		free(r->data);
	}
	if (last)
		free_exec(x);
}

static void fail(struct execution *n, const char *error, const char *reason, bool permanent)
{
	struct handler_result r = {
		.outcome = RESULT_FAILED, .error = error, .reason = reason, .permanent = permanent};
	finish(n, &r);
}

/* What the program says about another try counts where it ended by itself. */
static void fail_as_it_says(struct execution *n, const char *error, const struct child_end *end,
                            bool permanent)
{
	struct handler_result r = {.outcome = RESULT_FAILED, .error = error, .permanent = permanent};
	bool never = false;
	if (retry_after_read(end->last, &r.retry_after_ns, &never))
		r.permanent = r.permanent || never;
	finish(n, &r);
}

/* It has no child yet, so the directory is still ours. */
static void fail_unstarted(struct execution *n, const char *error)
{
	scratch_discard(n->dir);
	fail(n, error, NULL, false);
}

static bool no_use_trying(const struct exec *x, const struct child_end *end)
{
	if (end->kind == CHILD_NOT_FOUND)
		return end->number == ENOENT || end->number == EACCES || end->number == ENOEXEC ||
		       end->number == ENOTDIR || end->number == EISDIR || end->number == ELOOP;
	for (char **code = x->permanent; end->kind == CHILD_EXITED && code && *code; code++) {
		if (strtol(*code, NULL, 10) == end->number)
			return true;
	}
	return false;
}

static void on_end(void *data, const struct child_end *end)
{
	struct execution *n = data;
	struct exec *x = n->exec;
	char error[ERROR_MAX];
	if (n->over) {
		snprintf(error, sizeof error, "%s wrote more than %" PRId64 " bytes (limits: output)",
		         x->program.argv[0], x->program.limits.output_bytes);
		fail(n, error, NULL, true);
		return;
	}
	if (end->kind == CHILD_EXITED && end->number == 0 && !n->cancelled) {
		size_t len = n->out.len;
		struct handler_result r = {.outcome = RESULT_OK,
		                           .data = len ? buf_take(&n->out) : NULL,
		                           .len = len,
		                           .content_type = x->content_type};
		finish(n, &r);
		return;
	}
	int used = snprintf(error, sizeof error, "%.300s ", x->program.argv[0]);
	child_end_describe(end, error + used, sizeof error - (size_t)used);
	bool crash = end->kind == CHILD_SIGNALED || end->kind == CHILD_LOST;
	if (end->kind == CHILD_EXITED) {
		fail_as_it_says(n, error, end, no_use_trying(x, end));
		return;
	}
	fail(n, error, crash ? "crash" : NULL, no_use_trying(x, end));
}

static void on_output(void *data, const char *bytes, size_t len)
{
	struct execution *n = data;
	if (n->over)
		return;
	if (n->out.len + len > (size_t)n->exec->program.limits.output_bytes) {
		n->over = true;
		buf_release(&n->out);
		child_kill(n->child);
		return;
	}
	buf_add(&n->out, bytes, len);
}

/* ---- its beginning ---- */

static void launch(struct execution *n)
{
	struct exec *x = n->exec;
	const struct handler *h = x->handler;
	const struct handler_task *task = &n->run->task;
	const char *file = n->file ? n->file : task->file;
	CLEANUP(strings_free) char **argv = program_argv(&x->program, file, n->dir);
	CLEANUP(strings_free) char **env =
		environment_make(n->dir, h->ctx->node, h->type, task, file, x->program.env);
	const struct child_spec spec = {
		.loop = h->ctx->loop,
		.argv = argv,
		.env = env,
		.directory = x->program.directory ? x->program.directory : n->dir,
		.scratch = n->dir,
		.input = str_eq(x->input, "file") ? NULL : task->file,
		.limits = &x->program.limits,
	};
	const struct child_events ev = {on_output, on_end, n};
	struct err e = {0};
	if (child_start(&spec, &ev, &n->child, &e) < 0) {
		fail_unstarted(n, e.text);
		return;
	}
	if (file == NULL)
		child_write(n->child, task->body, task->len);
	child_end_input(n->child);
}

static void write_body(uv_work_t *w)
{
	struct execution *n = w->data;
	if (scratch_write(n->file, n->body, n->body_len, &n->write_error) == 0)
		n->write_error.code = 0;
}

static void on_body_written(uv_work_t *w, int status)
{
	struct execution *n = w->data;
	if (n->run == NULL || n->cancelled || status < 0) {
		fail_unstarted(n, "it was cancelled before it began");
	} else if (n->write_error.code < 0) {
		struct err e = n->write_error;
		fail_unstarted(n, e.text);
	} else {
		launch(n);
	}
}

static void start(struct handler *h, struct handler_run *run)
{
	struct exec *x = h->state;
	struct execution *n = xcalloc(1, sizeof *n);
	n->exec = x;
	n->run = run;
	run->state = n;
	DL_APPEND(x->running, n);
	struct err e = {0};
	if (scratch_make(h->ctx->node, &n->dir, &e) < 0) {
		fail(n, e.text, NULL, false);
		return;
	}
	if (!str_eq(x->input, "file") || run->task.file) {
		launch(n);
		return;
	}
	n->file = xasprintf("%s/input", n->dir);
	n->body = xmemdup0(run->task.body, run->task.len);
	n->body_len = run->task.len;
	n->write.data = n;
	int rc = uv_queue_work(h->ctx->loop, &n->write, write_body, on_body_written);
	if (rc < 0)
		fail_unstarted(n, uv_strerror(rc));
}

static void cancel(struct handler *h, struct handler_run *run)
{
	(void)h;
	struct execution *n = run->state;
	n->cancelled = true;
	if (n->child)
		child_stop(n->child);
}

/* ---- the handler ---- */

static int check(struct exec *x, const struct doc *config, struct err *e)
{
	const struct doc *input = doc_get(config, "input");
	if (!str_eq(x->input, "stdin") && !str_eq(x->input, "file"))
		return err_set(e, ERR_INVALID, "line %u: input is stdin or file, not \"%.32s\"",
		               input ? input->line : 0, x->input);
	for (char **code = x->permanent; code && *code; code++) {
		char *end;
		long v = strtol(*code, &end, 10);
		if (*end || end == *code || v < 1 || v > 255)
			return err_set(e, ERR_INVALID, "line %u: permanent: \"%.32s\" is no exit code from 1 to 255",
			               doc_get(config, "permanent")->line, *code);
	}
	return 0;
}

static int open_exec(struct handler *h, const struct doc *config, struct err *e)
{
	struct exec *x = xcalloc(1, sizeof *x);
	x->handler = h;
	h->state = x;
	int rc = section_read(config, keys, SECTION_COMMON_KEYS ",permanent," PROGRAM_KEYS, x, e);
	if (rc < 0)
		return rc;
	rc = program_read(config, &x->program, e);
	if (rc < 0)
		return rc;
	rc = section_list(config, "permanent", &x->permanent, e);
	if (rc < 0)
		return rc;
	return check(x, config, e);
}

static void close_exec(struct handler *h)
{
	struct exec *x = h->state;
	struct execution *n = NULL;
	x->closing = true;
	if (x->running == NULL) {
		free_exec(x);
		return;
	}
	DL_FOREACH(x->running, n) {
		n->run = NULL;
		if (n->child)
			child_kill(n->child);
	}
}

const struct handler_kind kind_exec = {"exec", open_exec, start, cancel, close_exec, OBJECT_AS_FILE};
