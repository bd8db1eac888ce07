/*
 * `millrace submit --batch`: a task of each line, many in flight. It stands
 * alone because it is a stream with backpressure at both ends.
 *
 * Goes well: lines are read as they come, checked, published to `tasks` with
 * an id of their own, and each PubAck prints its id. Reading pauses while
 * IN_FLIGHT_MAX tasks or IN_FLIGHT_BYTES wait for theirs. Fails: a line that
 * is no task is told with its number and the rest goes on; a full system is
 * waited for (the task is offered again); a broker that is away is waited for
 * by js_publish. Ctrl-C stops and says how far it came.
 *
 * A regular file is read in steps between the loop's turns; anything else is
 * watched by the loop, so that a slow pipe keeps nobody waiting.
 */
#include "cli/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "cli/draft.h"
#include "common/task.h"
#include "common/ulid.h"

#define IN_FLIGHT_MAX 4096u
#define IN_FLIGHT_BYTES ((size_t)32 << 20)
#define READ_BYTES ((size_t)128 << 10)
#define LINE_MAX_BYTES                                                        \
	((size_t)4 << 20) /* a longer line cannot be a body within any sane limit */
#define TICK_MS 250
#define SETTLE_MS 2000
#define WARN_LINES_MAX 50u

struct pending {
	struct batch *batch;
	struct pending *prev, *next; /* in the batch's list */
	bool refused;                /* as full: offered again at the next tick */
	uint64_t line;
	size_t len;
	char id[TASK_ID_MAX + 1];
	char *text;
};

struct batch {
	struct cli *cli;
	const char *default_type;
	int fd;
	bool regular, eof, skipping, done, progress, told_full, watching;
	uv_poll_t poll;
	uv_timer_t tick;
	struct buf in;
	size_t scanned; /* bytes of in that hold no newline */
	struct pending *pending;
	unsigned refused;
	uint64_t lines, sent, acked, duplicates, failed;
	unsigned in_flight;
	size_t in_flight_bytes;
	int64_t started_ms;
	int exit_code;
};

static void pump(struct batch *b);

static void line_failed(struct batch *b, uint64_t line, const char *id, const char *why)
{
	b->exit_code = EXIT_FAILED;
	if (b->cli->config.json) {
		json_t *j = json_pack("{s:I, s:s?, s:s}", "line", (json_int_t)line, "id", id, "error", why);
		cli_print_json(j);
		json_decref(j);
	}
	if (b->failed++ < WARN_LINES_MAX)
		cli_say(b->cli, "line %llu: %s", (unsigned long long)line, why);
	else if (b->failed == WARN_LINES_MAX + 1)
		cli_say(b->cli, "more lines failed; they are only counted");
}

static void pending_free(struct pending *p)
{
	DL_DELETE(p->batch->pending, p);
	p->batch->in_flight--;
	p->batch->in_flight_bytes -= p->len;
	free(p->text);
	free(p);
}

static void acknowledged(struct batch *b, const struct pending *p, bool duplicate)
{
	b->acked++;
	b->duplicates += duplicate;
	if (!b->cli->config.json) {
		fputs(p->id, stdout);
		fputc('\n', stdout);
		return;
	}
	fprintf(stdout, "{\"line\":%llu,\"id\":\"%s\",\"duplicate\":%s}\n", (unsigned long long)p->line,
			p->id, duplicate ? "true" : "false");
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct pending *p = data;
	struct batch *b = p->batch;

	if (e && e->code == ERR_FULL) {
		if (!b->told_full)
			cli_say(b->cli, "the system is full; waiting until it takes more");
		b->told_full = true;
		p->refused = true;
		b->refused++;
		return;
	}
	b->told_full = false;
	if (e)
		line_failed(b, p->line, p->id, e->text);
	else
		acknowledged(b, p, ack->duplicate);
	pending_free(p);
	pump(b);
}

static int publish(struct pending *p, struct err *e)
{
	const struct bus_header headers[] = {
		{H_TASK_ID, p->id},
		{H_MSG_ID, p->id},
		{H_CONTENT_TYPE, CONTENT_JSON},
	};
	struct bus_out out = {.subject = "tasks",
						  .data = p->text,
						  .len = p->len,
						  .headers = headers,
						  .nheaders = ARRAY_LEN(headers)};

	return js_publish(p->batch->cli->bus, &out, 0, on_puback, p, e);
}

static void offer_again(struct batch *b)
{
	struct pending *next;

	if (b->refused == 0)
		return;
	b->refused = 0;
	for (struct pending *p = b->pending; p; p = next) {
		struct err e = {0};

		next = p->next;
		if (!p->refused)
			continue;
		p->refused = false;
		if (publish(p, &e)) {
			line_failed(b, p->line, p->id, e.text);
			pending_free(p);
		}
	}
}

static void submit_line(struct batch *b, const char *text, size_t len)
{
	struct batch_line line = {0};
	struct err e = {0};
	struct pending *p;

	if (batch_line_read(text, len, b->default_type, &line, &e)) {
		line_failed(b, b->lines, NULL, e.text);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	p->batch = b;
	p->line = b->lines;
	p->text = line.text ? line.text : xmemdup0(text, len);
	p->len = line.text ? strlen(line.text) : len;
	if (line.id[0])
		memcpy(p->id, line.id, sizeof(p->id));
	else
		ulid_new(p->id);
	DL_APPEND(b->pending, p);
	b->in_flight++;
	b->in_flight_bytes += p->len;
	if (p->len > submit_body_limit(b->cli))
		err_set(&e, ERR_TOO_LARGE, "%zu bytes, over the broker's limit of %zu", p->len,
				submit_body_limit(b->cli));
	else if (publish(p, &e) == 0)
		b->sent++;
	if (e.code) {
		line_failed(b, b->lines, p->id, e.text);
		pending_free(p);
	}
}

static bool blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	}
	return true;
}

static void take_line(struct batch *b, const char *text, size_t len)
{
	b->lines++;
	if (b->skipping)
		b->skipping = false; /* the tail of a line that was refused already */
	else if (!blank(text, len))
		submit_line(b, text, len);
}

static bool room(const struct batch *b)
{
	return b->in_flight < IN_FLIGHT_MAX && b->in_flight_bytes < IN_FLIGHT_BYTES && b->refused == 0;
}

/* Takes the lines that are complete, as far as there is room. True: it needs more input. */
static bool take_lines(struct batch *b)
{
	size_t at = 0;

	while (room(b)) {
		size_t from = MAX_OF(at, b->scanned);
		const char *newline =
			b->in.len > from ? memchr(b->in.data + from, '\n', b->in.len - from) : NULL;
		size_t end;

		b->scanned = b->in.len;
		if (!newline)
			break;
		end = (size_t)(newline - b->in.data);
		take_line(b, b->in.data + at, end - at);
		at = end + 1;
		b->scanned = at;
	}
	if (at) {
		buf_consume(&b->in, at);
		b->scanned -= at;
	}
	return room(b);
}

/* A last line without a newline counts; one that has grown too long does not. */
static void take_rest(struct batch *b)
{
	struct err e;

	if (b->eof && b->in.len > 0 && b->scanned == b->in.len && room(b)) {
		take_line(b, b->in.data, b->in.len);
		buf_reset(&b->in);
		b->scanned = 0;
	} else if (b->in.len > LINE_MAX_BYTES && b->scanned == b->in.len) {
		if (!b->skipping) {
			err_set(&e, ERR_TOO_LARGE, "longer than %zu MiB", LINE_MAX_BYTES >> 20);
			line_failed(b, b->lines + 1, NULL, e.text);
		}
		b->skipping = true;
		buf_reset(&b->in);
		b->scanned = 0;
	}
}

static void read_some(struct batch *b)
{
	ssize_t n;

	buf_reserve(&b->in, READ_BYTES);
	do
		n = read(b->fd, b->in.data + b->in.len, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		b->in.len += (size_t)n;
		return;
	}
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		line_failed(b, b->lines + 1, NULL, strerror(errno));
	b->eof = true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct batch *b = poll->data;

	(void)status;
	(void)events; /* whatever it is, read tells */
	read_some(b);
	pump(b);
}

static void watch_input(struct batch *b, bool on)
{
	if (b->regular || b->watching == on)
		return;
	b->watching = on;
	if (on)
		uv_poll_start(&b->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	else
		uv_poll_stop(&b->poll);
}

static void pump(struct batch *b)
{
	bool hungry = take_lines(b);

	take_rest(b);
	while (hungry && b->regular && !b->eof) {
		read_some(b);
		hungry = take_lines(b);
		take_rest(b);
	}
	watch_input(b, hungry && !b->eof);
	if (b->eof && b->in.len == 0 && b->in_flight == 0)
		b->done = true;
}

static uint64_t rate(const struct batch *b)
{
	int64_t ms = MAX_OF(clock_mono_ms() - b->started_ms, 1);

	return b->acked * 1000 / (uint64_t)ms;
}

static void on_tick(uv_timer_t *t)
{
	struct batch *b = t->data;

	fflush(stdout);
	if (b->progress)
		fprintf(stderr, "\r%llu submitted, %llu/s, %u in flight ", (unsigned long long)b->acked,
				(unsigned long long)rate(b), b->in_flight);
	offer_again(b);
	pump(b);
}

static int batch_open(struct batch *b, const char *path, struct err *e)
{
	int flags;

	b->fd = str_eq(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (b->fd < 0)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	flags = fcntl(b->fd, F_GETFL);
	b->regular = uv_poll_init(&b->cli->loop, &b->poll, b->fd) != 0;
	/* libuv made it non-blocking, for everybody who shares it: a terminal's output among them. */
	if (flags >= 0)
		(void)fcntl(b->fd, F_SETFL, flags);
	b->poll.data = b;
	uv_timer_init(&b->cli->loop, &b->tick);
	b->tick.data = b;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct batch *b = h->data;

	b->done = true;
}

static void close_and_wait(struct batch *b, uv_handle_t *h)
{
	b->done = false;
	uv_close(h, on_closed);
	while (!b->done)
		uv_run(&b->cli->loop, UV_RUN_ONCE);
}

/* After Ctrl-C: nothing new, but what is in flight may still be acknowledged, so that the count is
 * right. */
static void settle(struct batch *b)
{
	struct err e;

	b->cli->interrupted = false; /* another one ends it */
	b->eof = true;
	buf_reset(&b->in);
	b->scanned = 0;
	watch_input(b, false);
	b->done = b->in_flight == 0;
	if (cli_wait(b->cli, &b->done, SETTLE_MS, &e))
		b->done = false;
}

static int report(const struct batch *b, bool interrupted)
{
	double seconds = (double)MAX_OF(clock_mono_ms() - b->started_ms, 1) / 1000;

	fflush(stdout);
	if (b->progress)
		fprintf(stderr, "\r\x1b[K");
	cli_say(b->cli,
			"%s%llu of %llu lines submitted in %.1f s (%llu/s), %llu of them known already, %llu "
			"failed%s",
			interrupted ? "interrupted: " : "", (unsigned long long)b->acked,
			(unsigned long long)b->lines, seconds, (unsigned long long)rate(b),
			(unsigned long long)b->duplicates, (unsigned long long)b->failed,
			interrupted && b->in_flight ? "; those in flight may or may not be there" : "");
	return interrupted ? EXIT_INTERRUPTED : b->exit_code;
}

/* What was still in flight is freed only when the bus is closed and no PubAck can come. */
static void batch_free(struct batch *b)
{
	bus_close(&b->cli->bus);
	for (struct pending *p = b->pending, *next; p; p = next) {
		next = p->next;
		free(p->text);
		free(p);
	}
	close_and_wait(b, (uv_handle_t *)&b->tick);
	if (!b->regular)
		close_and_wait(b, (uv_handle_t *)&b->poll);
	if (b->fd != STDIN_FILENO)
		close(b->fd);
	buf_release(&b->in);
	free(b);
}

int submit_batch(struct cli *c, const char *path, const char *default_type)
{
	struct batch *b = xcalloc(1, sizeof(*b));
	struct err e = {0};
	int code;

	b->cli = c;
	b->default_type = default_type;
	b->progress = isatty(STDERR_FILENO);
	if (cli_connect(c, &e) || batch_open(b, path, &e)) {
		free(b);
		return cli_fail(c, &e);
	}
	b->started_ms = clock_mono_ms();
	uv_timer_start(&b->tick, on_tick, TICK_MS, TICK_MS);
	pump(b);
	code = cli_wait(c, &b->done, -1, &e);
	if (code == ERR_CLOSED)
		settle(b);
	code = report(b, code == ERR_CLOSED);
	batch_free(b);
	return code;
}
