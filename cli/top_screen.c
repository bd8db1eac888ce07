/*
 * The edge to the terminal. It stands alone because a terminal that is left
 * in the wrong state is worse than no dashboard: here is what is changed, and
 * that it is changed back.
 *
 * Goes well: the alternate screen (what the shell showed stays as it was),
 * keys without Enter and without echo, lines that are not wrapped, the cursor
 * hidden; a frame is one write of the lines that changed, so nothing flickers.
 * SIGWINCH draws anew, Ctrl-Z gives the terminal back before it stops us and
 * takes it again afterwards. Our words for stderr are kept away while it lasts.
 *
 * Ends: by close; by a second Ctrl-C, whose _exit calls top_screen_restore.
 * Ctrl-C itself stays a signal, which connect.c hears. Only SIGKILL leaves it
 * as it is; `reset` helps then.
 */
#include "cli/top_screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J\x1b[H"
#define LEAVE "\x1b[?7h\x1b[?25h\x1b[?1049l"
#define BEGIN_FRAME "\x1b[?2026h" /* where a terminal knows it, what follows is shown at once */
#define END_FRAME "\x1b[?2026l"

struct top_screen {
	struct top_screen_events events;
	struct top_keys keys;
	struct buf shown; /* the lines that are on it */
	bool anew;
	uv_poll_t input;
	uv_signal_t resized, stopped, continued;
	unsigned handles; /* not yet closed */
	bool closing;
};

/* The process's, not the screen's: a handler that ends the process needs it. */
static int tty = -1; /* of our own: not waiting for input must not become the shell's way, too */
static struct termios before;
static int real_stderr = -1;
static bool taken;

static void write_all(const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* on_gone tells, by stdin */
		data += n;
		len -= (size_t)n;
	}
}

static void take(void)
{
	struct termios t = before;
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(tty, TCSADRAIN, &t);
	if (isatty(STDERR_FILENO) && nowhere >= 0) {
		fflush(stderr);
		real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
		dup2(nowhere, STDERR_FILENO);
	}
	if (nowhere >= 0)
		close(nowhere);
	write_all(ENTER, sizeof(ENTER) - 1);
	taken = true;
}

void top_screen_restore(void)
{
	if (!taken)
		return;
	taken = false;
	write_all(LEAVE, sizeof(LEAVE) - 1);
	tcsetattr(tty, TCSADRAIN, &before);
	if (real_stderr >= 0) {
		dup2(real_stderr, STDERR_FILENO);
		close(real_stderr);
		real_stderr = -1;
	}
}

/* ---- what happens ---- */

static void on_input(uv_poll_t *h, int status, int events)
{
	struct top_screen *s = h->data;
	char bytes[64];
	ssize_t n;

	(void)events;
	if (s->closing)
		return;
	n = status < 0 ? -1 : read(tty, bytes, sizeof(bytes));
	if (n < 0 && (errno == EINTR || errno == EAGAIN) && status >= 0)
		return;
	if (n <= 0) {
		uv_poll_stop(h);
		s->events.on_gone(s->events.data);
		return;
	}
	for (ssize_t i = 0; i < n && !s->closing; i++) {
		enum top_key key = top_key(&s->keys, bytes[i]);

		if (key != KEY_NONE)
			s->events.on_key(s->events.data, key);
	}
}

static void redraw(struct top_screen *s)
{
	s->anew = true;
	s->events.on_redraw(s->events.data);
}

static void on_signal(uv_signal_t *h, int number)
{
	struct top_screen *s = h->data;

	if (s->closing)
		return;
	if (number == SIGTSTP) {
		top_screen_restore();
		kill(getpid(), SIGSTOP);
		return; /* from here on somebody continued us, and SIGCONT is told */
	}
	/* A shell may have set the terminal up for itself meanwhile. */
	if (number == SIGCONT) {
		top_screen_restore();
		take();
	}
	redraw(s);
}

/* ---- frames ---- */

void top_screen_size(const struct top_screen *s, unsigned *ret_width, unsigned *ret_height)
{
	struct winsize size = {0};

	(void)s;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	*ret_width = size.ws_col ? size.ws_col : 80;
	*ret_height = size.ws_row ? size.ws_row : 24;
}

/* The next line of text at *io_at, without its newline; false at the end. */
static bool next_line(const struct buf *text, size_t *io_at, const char **ret, size_t *ret_len)
{
	if (*io_at >= text->len)
		return false;
	const char *line = text->data + *io_at;
	const char *stop = memchr(line, '\n', text->len - *io_at);

	*ret = line;
	*ret_len = stop ? (size_t)(stop - line) : text->len - *io_at;
	*io_at += *ret_len + 1;
	return true;
}

void top_screen_draw(struct top_screen *s, const struct buf *lines)
{
	CLEANUP(buf_release) struct buf out = {0};
	size_t at = 0, had_at = 0;
	unsigned row = 1;
	const char *line, *had;
	size_t len, had_len;

	buf_add_str(&out, BEGIN_FRAME);
	if (s->anew)
		buf_add_str(&out, "\x1b[2J");
	for (; next_line(lines, &at, &line, &len); row++) {
		bool was = next_line(&s->shown, &had_at, &had, &had_len);

		if (!s->anew && was && had_len == len && memcmp(had, line, len) == 0)
			continue;
		buf_printf(&out, "\x1b[%u;1H", row);
		buf_add(&out, line, len);
		buf_add_str(&out, "\x1b[K");
	}
	/* What was below is not there any more. */
	for (; next_line(&s->shown, &had_at, &had, &had_len); row++)
		buf_printf(&out, "\x1b[%u;1H\x1b[K", row);
	buf_add_str(&out, END_FRAME);
	write_all(out.data, out.len);
	buf_release(&s->shown);
	s->shown = (struct buf){0};
	buf_add(&s->shown, lines->data, lines->len);
	s->anew = false;
}

void top_screen_forget(struct top_screen *s)
{
	s->anew = true;
}

/* ---- life ---- */

static int no_terminal(struct err *e)
{
	int why = errno;

	if (tty >= 0)
		close(tty);
	tty = -1;
	return err_set(e, ERR_INVALID, "no keys can be read: /dev/tty: %s; --once prints one snapshot",
				   strerror(why));
}

int top_screen_open(uv_loop_t *loop, const struct top_screen_events *ev, struct top_screen **ret,
					struct err *e)
{
	struct top_screen *s;

	tty = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (tty < 0 || tcgetattr(tty, &before) != 0)
		return no_terminal(e);
	s = xcalloc(1, sizeof(*s));
	s->events = *ev;
	s->anew = true;
	struct {
		uv_signal_t *handle;
		int number;
	} signals[] = {{&s->resized, SIGWINCH}, {&s->stopped, SIGTSTP}, {&s->continued, SIGCONT}};

	if (uv_poll_init(loop, &s->input, tty) < 0) {
		free(s);
		return no_terminal(e);
	}
	s->input.data = s;
	uv_poll_start(&s->input, UV_READABLE, on_input);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		uv_signal_init(loop, signals[i].handle);
		signals[i].handle->data = s;
		uv_signal_start(signals[i].handle, on_signal, signals[i].number);
	}
	s->handles = 1 + ARRAY_LEN(signals);
	take();
	*ret = s;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct top_screen *s = h->data;

	if (--s->handles > 0)
		return;
	close(tty);
	tty = -1;
	buf_release(&s->shown);
	free(s);
}

void top_screen_close(struct top_screen **screen)
{
	struct top_screen *s = TAKE(*screen);

	if (!s)
		return;
	s->closing = true;
	top_screen_restore();
	uv_close((uv_handle_t *)&s->input, on_closed);
	uv_close((uv_handle_t *)&s->resized, on_closed);
	uv_close((uv_handle_t *)&s->stopped, on_closed);
	uv_close((uv_handle_t *)&s->continued, on_closed);
}
