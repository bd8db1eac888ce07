/*
 * The node's side of a foreign program. It stands between the kinds that run
 * programs (exec, worker) and uv: pipes, the launcher's report, the order in
 * which an end comes about.
 *
 * It goes well: output flows to on_output; the launcher reports and ends,
 * the pipes end, everything is closed, on_end. It hangs: child_stop asks the
 * launcher; should the launcher itself hang or be killed, the backstop kills
 * it, and child_reap.c what it leaves behind. Pipes that do not end though
 * the launcher did (nothing should hold them) are closed after LINGER_MS.
 *
 * Real pipes, not libuv's socket pairs: a script that opens /dev/stdin or
 * /dev/stderr gets an error from a socket.
 */
#include "node/handlers/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "node/handlers/child_reap.h"
#include "node/handlers/exec_child.h"
#include "node/handlers/scratch.h"
#include "common/section.h"
#include "node/handlers/tail.h"

enum { LINGER_MS = 2000, BACKSTOP_MS = 8000, READ_BYTES = 65536 };
enum { IN, OUT, ERR, REPORT, PIPES };

struct child {
	struct child_events events;
	uv_process_t process;
	uv_pipe_t pipe[PIPES];
	uv_timer_t timer;       /* the backstop; after the launcher's end, the linger */
	unsigned handles;       /* not yet closed */
	unsigned readers;       /* of OUT, ERR, REPORT: not yet at their end */
	int64_t grace_ms;
	char *scratch;          /* ours to remove only where the launcher could not */
	bool started, launcher_ended, closing, input_ends;
	int launcher_signal;
	struct tail words;
	char report[64];
	size_t report_len;
	int pid;
	uv_shutdown_t shutdown;
	uv_work_t removal;
};

struct pending_write {
	uv_write_t request;
	char *owned;
};

static unsigned alive;
/* Reads are handled before the next one starts, so all children share the space. */
static char read_space[READ_BYTES];

unsigned child_count(void)
{
	return alive;
}

/* ---- the end ---- */

static struct child_end end_of(struct child *c, char words[TAIL_LINE_MAX], char last[TAIL_LINE_MAX])
{
	struct child_end end = {
		.kind = CHILD_LOST, .number = c->launcher_signal, .words = words, .last = last};
	tail_line(&c->words, words, TAIL_LINE_MAX);
	tail_last(&c->words, last, TAIL_LINE_MAX);
	c->report[c->report_len] = '\0';
	int n = 0;
	if (sscanf(c->report, "exit %d", &n) == 1) {
		end.kind = CHILD_EXITED;
	} else if (sscanf(c->report, "signal %d", &n) == 1) {
		end.kind = CHILD_SIGNALED;
	} else if (sscanf(c->report, "exec %d", &n) == 1) {
		end.kind = CHILD_NOT_FOUND;
	} else if (sscanf(c->report, "processes %d", &n) == 1) {
		end.kind = CHILD_TOO_MANY;
	} else {
		n = c->launcher_signal;
	}
	end.number = n;
	return end;
}

static void tell_end(struct child *c)
{
	char words[TAIL_LINE_MAX], last[TAIL_LINE_MAX];
	struct child_end end = end_of(c, words, last);
	struct child_events ev = c->events;
	free(c->scratch);
	free(c);
	alive--;
	ev.on_end(ev.data, &end);
}

static void remove_scratch(uv_work_t *w)
{
	struct child *c = w->data;
	scratch_discard(c->scratch);
}

static void on_scratch_removed(uv_work_t *w, int status)
{
	(void)status;
	tell_end(w->data);
}

static void on_closed(uv_handle_t *h)
{
	struct child *c = h->data;
	if (--c->handles > 0)
		return;
	if (!c->started) {
		free(c->scratch);
		free(c);
		alive--;
	} else if (c->scratch && c->report_len == 0) { /* the launcher did not come to its end */
		c->removal.data = c;
		if (uv_queue_work(h->loop, &c->removal, remove_scratch, on_scratch_removed) < 0)
			tell_end(c);
	} else {
		tell_end(c);
	}
}

static void close_pipe(struct child *c, int i)
{
	uv_handle_t *h = (uv_handle_t *)&c->pipe[i];
	if (!uv_is_closing(h))
		uv_close(h, on_closed);
}

static void close_all(struct child *c)
{
	c->closing = true;
	for (int i = 0; i < PIPES; i++) {
		close_pipe(c, i);
	}
	uv_close((uv_handle_t *)&c->timer, on_closed);
	uv_close((uv_handle_t *)&c->process, on_closed);
}

static void close_when_ended(struct child *c)
{
	if (c->launcher_ended && c->readers == 0 && !c->closing)
		close_all(c);
}

static void on_linger_over(uv_timer_t *t)
{
	struct child *c = t->data;
	if (!c->closing)
		close_all(c);
}

static void on_launcher_exit(uv_process_t *p, int64_t code, int signal)
{
	struct child *c = p->data;
	c->launcher_ended = true;
	c->launcher_signal = signal;
	child_reap_forget(p->pid);
	if (signal != 0 || code != 0)
		child_reap_orphans(p->loop);
	uv_timer_start(&c->timer, on_linger_over, LINGER_MS, 0);
	close_when_ended(c);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	(void)h;
	(void)suggested;
	*b = uv_buf_init(read_space, sizeof read_space);
}

/* "pid NUMBER", once the program runs. What is left of the report is its end. */
static void take_pid(struct child *c)
{
	const char *end = memchr(c->report, '\n', c->report_len);
	if (c->pid != 0 || end == NULL)
		return;
	c->report[c->report_len] = '\0';
	if (sscanf(c->report, "pid %d", &c->pid) != 1)
		return;
	c->report_len -= (size_t)(end + 1 - c->report);
	memmove(c->report, end + 1, c->report_len);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct child *c = s->data;
	if (n < 0) {
		if (!uv_is_closing((uv_handle_t *)s)) {
			uv_close((uv_handle_t *)s, on_closed);
			c->readers--;
			close_when_ended(c);
		}
		return;
	}
	size_t len = (size_t)n;
	if (s == (uv_stream_t *)&c->pipe[OUT]) {
		if (len > 0 && !c->closing)
			c->events.on_output(c->events.data, b->base, len);
	} else if (s == (uv_stream_t *)&c->pipe[ERR]) {
		tail_add(&c->words, b->base, len);
	} else {
		len = MIN_OF(len, sizeof c->report - 1 - c->report_len);
		memcpy(c->report + c->report_len, b->base, len);
		c->report_len += len;
		take_pid(c);
	}
}

/* ---- writing ---- */

static void on_written(uv_write_t *w, int status)
{
	struct pending_write *p = w->data;
	(void)status; /* it closed its stdin, or never read: its own affair */
	free(p->owned);
	free(p);
}

static void write_to(struct child *c, const char *data, size_t len, char *owned)
{
	uv_stream_t *in = (uv_stream_t *)&c->pipe[IN];
	if (c->closing || c->input_ends || uv_is_closing((uv_handle_t *)in)) {
		free(owned);
		return;
	}
	struct pending_write *p = xcalloc(1, sizeof *p);
	p->owned = owned;
	p->request.data = p;
	union { /* uv takes no const, and only reads */
		const char *from;
		char *base;
	} u = {.from = data};
	uv_buf_t b = {.base = u.base, .len = len};
	if (uv_write(&p->request, in, &b, 1, on_written) < 0)
		on_written(&p->request, 0);
}

void child_write(struct child *c, const void *data, size_t len)
{
	if (len > 0)
		write_to(c, data, len, NULL);
}

void child_write_owned(struct child *c, char *data, size_t len)
{
	write_to(c, data, len, data);
}

static void on_input_ended(uv_shutdown_t *s, int status)
{
	struct child *c = s->data;
	if (status != UV_ECANCELED)
		close_pipe(c, IN);
}

void child_end_input(struct child *c)
{
	if (c->input_ends || c->closing)
		return;
	c->input_ends = true;
	c->shutdown.data = c;
	if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->pipe[IN], on_input_ended) < 0)
		close_pipe(c, IN);
}

/* ---- stopping ---- */

static void on_backstop(uv_timer_t *t)
{
	struct child *c = t->data;
	if (!c->closing && !c->launcher_ended)
		uv_process_kill(&c->process, SIGKILL); /* its program dies with it, child_reap.c finds the rest */
}

static void signal_launcher(struct child *c, int signal, int64_t backstop_ms)
{
	if (c->launcher_ended)
		return;
	uv_process_kill(&c->process, signal);
	uv_timer_start(&c->timer, on_backstop, (uint64_t)backstop_ms, 0);
}

int child_pid(const struct child *c)
{
	return c->pid;
}

void child_stop(struct child *c)
{
	signal_launcher(c, SIGTERM, c->grace_ms + BACKSTOP_MS);
}

void child_kill(struct child *c)
{
	signal_launcher(c, SIGUSR1, BACKSTOP_MS);
}

/* ---- starting ---- */

static char **launcher_argv(const struct child_spec *spec)
{
	char **argv = NULL;
	strings_add(&argv, xstrdup("millrace-exec"));
	strings_add(&argv, xstrdup(EXEC_CHILD_FLAG));
	strings_add(&argv, xasprintf("parent=%d", (int)getpid()));
	if (spec->scratch)
		strings_add(&argv, xasprintf("scratch=%s", spec->scratch));
	limits_to_words(spec->limits, &argv);
	strings_add(&argv, xstrdup("--"));
	for (char *const *a = spec->argv; *a; a++) {
		strings_add(&argv, xstrdup(*a));
	}
	return argv;
}

struct ends {
	int ours[PIPES], theirs[PIPES];
};

static void close_fds(int fd[PIPES])
{
	for (int i = 0; i < PIPES; i++) {
		if (fd[i] >= 0)
			close(fd[i]);
	}
}

static int make_pipes(struct ends *ends)
{
	memset(ends, -1, sizeof *ends);
	for (int i = 0; i < PIPES; i++) {
		int fd[2]; /* read end, write end */
		int rc = uv_pipe(fd, i == IN ? 0 : UV_NONBLOCK_PIPE, i == IN ? UV_NONBLOCK_PIPE : 0);
		if (rc < 0) {
			close_fds(ends->ours);
			close_fds(ends->theirs);
			return rc;
		}
		ends->ours[i] = fd[i == IN];
		ends->theirs[i] = fd[i != IN];
	}
	return 0;
}

static int spawn(struct child *c, const struct child_spec *spec, const struct ends *ends)
{
	uv_stdio_container_t stdio[PIPES];
	for (int i = 0; i < PIPES; i++) {
		stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = ends->theirs[i]};
	}
	int input = spec->input ? open(spec->input, O_RDONLY | O_CLOEXEC) : -1;
	if (spec->input && input < 0)
		return uv_translate_sys_error(errno);
	if (input >= 0)
		stdio[IN].data.fd = input;
	CLEANUP(strings_free) char **argv = launcher_argv(spec);
	uv_process_options_t o = {
		.exit_cb = on_launcher_exit,
		.file = "/proc/self/exe",
		.args = argv,
		.env = (char **)spec->env,
		.cwd = spec->directory,
		.stdio_count = PIPES,
		.stdio = stdio,
	};
	int rc = uv_spawn(spec->loop, &c->process, &o);
	if (input >= 0)
		close(input);
	return rc;
}

int child_start(const struct child_spec *spec, const struct child_events *ev, struct child **ret,
                struct err *e)
{
	struct ends ends;
	child_reap_adopt();
	int rc = make_pipes(&ends);
	if (rc < 0)
		return err_set(e, ERR_FULL, "cannot make pipes for %s: %s", spec->argv[0], uv_strerror(rc));

	struct child *c = xcalloc(1, sizeof *c);
	alive++;
	c->events = *ev;
	c->grace_ms = spec->limits->grace_ns / NS_PER_MS;
	uv_timer_init(spec->loop, &c->timer);
	c->timer.data = c;
	for (int i = 0; i < PIPES; i++) {
		uv_pipe_init(spec->loop, &c->pipe[i], 0);
		c->pipe[i].data = c;
		if (uv_pipe_open(&c->pipe[i], ends.ours[i]) < 0)
			close(ends.ours[i]);
	}
	c->handles = PIPES + 2;
	rc = spawn(c, spec, &ends);
	c->process.data = c;
	close_fds(ends.theirs);
	if (rc < 0) {
		close_all(c);
		return err_set(e, ERR_FULL, "cannot start %s: %s", spec->argv[0], uv_strerror(rc));
	}
	c->started = true;
	c->scratch = spec->scratch ? xstrdup(spec->scratch) : NULL;
	child_reap_know(c->process.pid);
	for (int i = OUT; i < PIPES; i++) {
		c->readers++;
		if (uv_read_start((uv_stream_t *)&c->pipe[i], on_alloc, on_read) < 0) {
			c->readers--;
			close_pipe(c, i);
		}
	}
	*ret = c;
	return 0;
}

void child_end_describe(const struct child_end *end, char *out, size_t size)
{
	const char *parted = *end->words ? ": " : "";
	switch (end->kind) {
	case CHILD_EXITED:
		snprintf(out, size, "ended with exit code %d%s%s", end->number, parted, end->words);
		break;
	case CHILD_SIGNALED:
		snprintf(out, size, "was ended by signal %d (%s)%s%s", end->number, strsignal(end->number),
		         parted, end->words);
		break;
	case CHILD_NOT_FOUND:
		snprintf(out, size, "cannot be run: %s", strerror(end->number));
		break;
	case CHILD_TOO_MANY:
		snprintf(out, size, "had %d processes, more than its limit, and was killed", end->number);
		break;
	case CHILD_LOST:
		snprintf(out, size, "was lost: its launcher %s%s%s",
		         end->number ? "was killed" : "could not start", parted, end->words);
		break;
	}
}
