/*
 * One child of healing or of a driver. It stands alone because waiting for a child must not
 * block the loop, and because a command that restarts a service leaves that
 * service behind: its group is ended at the deadline alone, never after it
 * ended well, and nobody waits for its output to close.
 *
 * Goes well: the kernel says through a descriptor of the process that it has
 * ended, and its status is read. Fails: it cannot be executed (told at once),
 * it ends otherwise, it takes too long.
 */
#include "scaler/command.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"

#define KILL_AFTER_MS 2000

struct command {
	command_on_end on_end; /* NULL: left */
	void *data;
	char *program, *log_path;
	int64_t timeout_ms;
	pid_t pid;
	int fd;
	bool timed_out;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned closing; /* handles */
};

static void on_closed(uv_handle_t *h)
{
	struct command *c = h->data;

	if (--c->closing > 0)
		return;
	close(c->fd);
	free(c->program);
	free(c->log_path);
	free(c);
}

static void discard(struct command *c)
{
	c->closing = 2;
	uv_close((uv_handle_t *)&c->poll, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static int outcome(const struct command *c, int status, struct err *e)
{
	char how[64];
	CLEANUP(buf_release) struct buf tail = {0};

	if (c->timed_out)
		return err_set(e, ERR_TIMEOUT, "%s took longer than %lld s and was ended", c->program,
					   (long long)(c->timeout_ms / 1000));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	proc_status_text(status, how, sizeof(how));
	if (c->log_path)
		proc_log_tail(c->log_path, 200, &tail);
	return err_set(e, ERR_FAILED, "%s ended with %s%s%s", c->program, how, tail.len ? ": " : "",
				   tail.len ? tail.data : "");
}

static void on_ended(uv_poll_t *p, int status, int events)
{
	struct command *c = p->data;
	int wait_status = 0;
	struct err e;
	pid_t got;

	(void)status;
	(void)events;
	do
		got = waitpid(c->pid, &wait_status, WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return;
	uv_poll_stop(p);
	int rc = got < 0 ? err_set(&e, ERR_FAILED, "%s: somebody else waited for it", c->program)
					 : outcome(c, wait_status, &e);
	command_on_end on_end = TAKE(c->on_end);
	discard(c);
	if (on_end)
		on_end(c->data, rc < 0 ? &e : NULL);
}

static void on_deadline(uv_timer_t *t)
{
	struct command *c = t->data;

	kill(-c->pid, c->timed_out ? SIGKILL : SIGTERM);
	c->timed_out = true;
	uv_timer_start(t, on_deadline, KILL_AFTER_MS, 0);
}

int command_start(uv_loop_t *loop, const struct command_spec *s, command_on_end on_end, void *data,
				  struct command **ret, struct err *e)
{
	const struct proc_spec spec = {
		.argv = (const char *const *)s->argv,
		.env = (const char *const *)s->env,
		.keep_env = s->keep_env,
		.log_path = s->log_path,
		.input = s->input,
	};
	pid_t pid;
	int fd;

	if (proc_spawn(&spec, &pid, e) != 0)
		return e->code;
	fd = pidfd_open(pid, 0);
	if (fd < 0) { /* a kernel before 5.3 */
		err_set(e, ERR_IO, "cannot wait for %s: %s", s->argv[0], strerror(errno));
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return ERR_IO;
	}
	struct command *c = xcalloc(1, sizeof(*c));
	c->on_end = on_end;
	c->data = data;
	c->program = xstrdup(s->argv[0]);
	c->log_path = s->log_path ? xstrdup(s->log_path) : NULL;
	c->timeout_ms = s->timeout_ms;
	c->pid = pid;
	c->fd = fd;
	uv_poll_init(loop, &c->poll, fd);
	uv_timer_init(loop, &c->timer);
	c->poll.data = c->timer.data = c;
	uv_poll_start(&c->poll, UV_READABLE, on_ended);
	uv_timer_start(&c->timer, on_deadline, (uint64_t)s->timeout_ms, 0);
	*ret = c;
	return 0;
}

void command_leave(struct command **pc)
{
	struct command *c = TAKE(*pc);

	if (!c)
		return;
	c->on_end = NULL;
	discard(c);
}
