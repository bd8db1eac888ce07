/*
 * A command's flags as values, and the ways a command ends. It stands alone
 * because every command needs it and none of it needs a connection. A wrong
 * value is a sentence that names the flag.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/table.h"

const char *cli_value_nth(const struct cli *c, const char *flag, size_t nth)
{
	for (size_t i = 0; i < c->nflags; i++) {
		if (str_eq(c->flags[i].flag->name, flag) && nth-- == 0)
			return c->flags[i].value;
	}
	return NULL;
}

bool cli_has(const struct cli *c, const char *flag)
{
	for (size_t i = 0; i < c->nflags; i++) {
		if (str_eq(c->flags[i].flag->name, flag))
			return true;
	}
	return false;
}

const char *cli_value(const struct cli *c, const char *flag)
{
	for (size_t i = c->nflags; i-- > 0;) {
		if (str_eq(c->flags[i].flag->name, flag))
			return c->flags[i].value;
	}
	return NULL;
}

int cli_duration(const struct cli *c, const char *flag, int64_t *io_ns, struct err *e)
{
	const char *text = cli_value(c, flag);
	int64_t ns;

	if (!text)
		return 0;
	if (duration_parse(text, &ns, e))
		return err_wrap(e, "--%s", flag);
	*io_ns = ns;
	return 0;
}

int cli_number(const struct cli *c, const char *flag, int64_t min, int64_t max, int64_t *io_n,
			   struct err *e)
{
	const char *text = cli_value(c, flag);
	char *end;
	long long n;

	if (!text)
		return 0;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		return err_set(e, ERR_INVALID, "--%s: '%.40s' is no number from %lld to %lld", flag, text,
					   (long long)min, (long long)max);
	*io_n = n;
	return 0;
}

int cli_exit_code(int err_code)
{
	switch ((enum err_code)err_code) {
	case ERR_OK:
		return EXIT_OK;
	case ERR_INVALID:
		return EXIT_USAGE;
	case ERR_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case ERR_UNREACHABLE:
		return EXIT_UNREACHABLE;
	case ERR_TIMEOUT:
		return EXIT_TIMED_OUT;
	case ERR_CLOSED:
		return EXIT_INTERRUPTED;
	case ERR_EXISTS:
	case ERR_DENIED:
	case ERR_FULL:
	case ERR_CONFLICT:
	case ERR_TOO_LARGE:
	case ERR_IO:
	case ERR_PROTOCOL:
	case ERR_FAILED:
		return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

int cli_fail(const struct cli *c, const struct err *e)
{
	cli_say(c, "%s", e->text[0] ? e->text : err_name(e->code));
	return cli_exit_code(e->code);
}

/* Words may hold what strangers wrote (an error, a log), and lines of it. */
static void add_lines(struct buf *out, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		text_add_safe(out, text, len);
		text += len;
		if (*text == '\n') {
			buf_add(out, "\n", 1);
			text++;
		}
	}
}

void cli_say(const struct cli *c, const char *fmt, ...)
{
	CLEANUP(free_ptr) char *text = NULL;
	CLEANUP(buf_release) struct buf line = {0};
	va_list ap;

	(void)c;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	buf_add_str(&line, "millrace: ");
	add_lines(&line, text);
	buf_add_str(&line, "\n");
	fflush(stdout); /* words after the data that came before them */
	fputs(line.data, stderr);
}

int cli_usage(const struct cli *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_say(c, "%s; see 'millrace help %s'", text, c->command->name);
	return EXIT_USAGE;
}
