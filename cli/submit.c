/*
 * `millrace submit`: one task, or with --batch many. It stands alone as the
 * one command that makes work.
 *
 * Goes well: everything is checked first, the id is made here, a body over the
 * broker's limit is put into the object store, the message is
 * published to tasks.<type> until its PubAck comes, the id is printed. Fails:
 * a wrong flag before anything is sent (2); no broker (5); no PubAck in time
 * (124), and then the sentence has the id, because submitting again under it
 * is safe; a full system (1), which is backpressure and not a fault.
 */
#include "cli/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/draft.h"
#include "cli/object.h"
#include "cli/predict.h"
#include "common/task.h"
#include "common/ulid.h"

#define ATTEMPTS_MAX 1000
/* What the bucket holds in all; an endless pipe must not fill the disk for ever. */
#define SPOOL_MAX_BYTES (UINT64_C(16) << 30)

static const struct cli_flag flags[] = {
	{"data", 'd', "S", "the body"},
	{"file", 'f', "F", "read the body from a file; '-' or a bare - as the last word: from stdin"},
	{"object", 0, "BUCKET/NAME", "the body lies in the object store, as payloads/big.mp4"},
	{"priority", 'p', "P", "high, normal, low, or 0 to 9 (9 is the highest)"},
	{"requires", 0, "A,B", "capabilities that a node must have"},
	{"timeout", 0, "D", "longest run of one attempt (300s)"},
	{"attempts", 0, "N", "attempts in all, the first included (4)"},
	{"delay", 0, "D", "not before this time has passed"},
	{"at", 0, "T", "not before this moment (RFC 3339)"},
	{"expires", 0, "T", "not begun after this moment, or so long after the submission: dead instead"},
	{"backoff", 0, "B", "wait before a retry: BASE[,FACTOR[,MAX]], such as 1s,2,60s"},
	{"id", 0, "ID", "the task's id; the same id twice is one task"},
	{"project", 0, "S", "a word to find it by"},
	{"unique", 0, "KEY[:TTL]",
	 "not run while another of its type with this key has not ended (nor within TTL)"},
	{"result-expires", 0, "D", "keep the result so long after the end, or 'never'"},
	{"header", 'H', "K:V", "a header for the handler; may be repeated"},
	{"wait", 0, "[=D]",
	 "wait for the result (at most D) and print it; exit 4 when the task is dead"},
	{"predict", 0, NULL, "tell when it should begin, by what waits before it (needs a scaler)"},
	{"batch", 0, "FILE",
	 "a task of each line, JSON with the keys id, type, payload, …; '-': stdin"},
	{0},
};

static int run(struct cli *c, int argc, char **argv);

const struct cli_command commands_submit[] = {
	{"submit", "TYPE [--data S|--file F|-] [flags]", "submit a task, or a file of tasks",
	 "examples:\n"
	 "  millrace submit echo --data hello                     prints the id\n"
	 "  millrace submit echo --data hello --wait              prints the result\n"
	 "  millrace submit hash --file cat.png --wait=30s\n"
	 "  millrace submit video_detection --file big.mp4        over the limit: goes into the object "
	 "store\n"
	 "  millrace submit video_detection --object payloads/big.mp4\n"
	 "  date | millrace submit stats - --priority high\n"
	 "  millrace submit summarize -d 'a text' --requires gpu --timeout 2m --attempts 2\n"
	 "  millrace submit report -d x --at 2030-01-02T03:04:05Z --id report-42\n"
	 "  millrace submit quote -d EUR --expires 30s            too late is dead, reason expired\n"
	 "  millrace submit report -d x --unique monthly:10m        once in ten minutes\n"
	 "  millrace submit --batch tasks.ndjson > ids            "
	 "{\"type\":\"echo\",\"payload\":\"a\"} a line\n"
	 "  millrace submit echo --batch -                        lines without a type are echo's\n",
	 flags, 0, 2, run},
	{0},
};

size_t submit_body_limit(const struct cli *c)
{
	size_t max = bus_max_payload(c->bus);

	return max > 2 * HEADER_ROOM_BYTES ? max - HEADER_ROOM_BYTES : max;
}

/*
 * Where the body is: in memory, or, where it is too large for that, a file. What comes from a pipe
 * and is too large is written to a file without a name first.
 */
struct body {
	struct buf bytes;
	int fd; /* -1: it is in bytes */
	uint64_t len;
};

static void body_release(struct body *b)
{
	buf_release(&b->bytes);
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

/* Up to most + 1 bytes. */
static int read_fd(int fd, size_t most, struct buf *out, struct err *e)
{
	while (out->len <= most) {
		size_t room = MIN_OF(most + 1 - out->len, (size_t)65536);
		ssize_t n;

		buf_reserve(out, room);
		n = read(fd, out->data + out->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_IO, "%s", strerror(errno));
		if (n == 0)
			return 0;
		out->len += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const char *bytes, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_IO, "cannot keep what came from stdin: %s", strerror(errno));
		bytes += MAX_OF(n, 0);
		len -= (size_t)MAX_OF(n, 0);
	}
	return 0;
}

/* The rest of a pipe, behind what was read already. */
static int spool(int from, struct body *b, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	CLEANUP(free_ptr) char *path = xasprintf("%s/millrace-submit-XXXXXX", tmp ? tmp : "/tmp");
	int fd = mkstemp(path);

	if (fd < 0)
		return err_set(e, ERR_IO, "cannot keep what came from stdin: %s: %s", path,
					   strerror(errno));
	unlink(path);
	b->fd = fd;
	while (b->bytes.len > 0) {
		if (write_all(fd, b->bytes.data, b->bytes.len, e))
			return e->code;
		b->len += b->bytes.len;
		if (b->len > SPOOL_MAX_BYTES)
			return err_set(e, ERR_TOO_LARGE,
						   "over 16 GiB, which is more than the object store takes");
		buf_reset(&b->bytes);
		if (read_fd(from, 1 << 20, &b->bytes, e))
			return e->code;
	}
	return 0;
}

static int read_body(const char *path, size_t most, struct body *b, struct err *e)
{
	int fd = str_eq(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st))
		return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
	if (fd != STDIN_FILENO && S_ISREG(st.st_mode) && (uint64_t)st.st_size > most) {
		b->fd = fd;
		b->len = (uint64_t)st.st_size;
		return 0;
	}
	rc = read_fd(fd, most, &b->bytes, e);
	if (!rc && b->bytes.len > most)
		rc = spool(fd, b, e);
	else
		b->len = b->bytes.len;
	if (fd != STDIN_FILENO)
		close(fd);
	return rc ? err_wrap(e, "%s", path) : 0;
}

static int check_body(const struct cli *c, int argc, char **argv, struct err *e)
{
	const char *object = cli_value(c, "object");
	struct object_ref ref;

	if (argc == 2 && !str_eq(argv[1], "-"))
		return err_set(e, ERR_INVALID,
					   "'%.60s' is one argument too many; give the body by --data, --file or -",
					   argv[1]);
	if (cli_has(c, "data") + cli_has(c, "file") + cli_has(c, "object") + (argc == 2) > 1)
		return err_set(e, ERR_INVALID, "--data, --file, --object and - exclude each other");
	if (object && object_ref_parse(object, &ref, e))
		return err_wrap(e, "--object");
	return 0;
}

static int body(const struct cli *c, int argc, struct body *b, struct err *e)
{
	const char *data = cli_value(c, "data");
	const char *file = argc == 2 ? "-" : cli_value(c, "file");

	if (file)
		return read_body(file, submit_body_limit(c), b, e);
	buf_add_str(&b->bytes, data ? data : "");
	b->len = b->bytes.len;
	return 0;
}

int submit_body(struct cli *c, int argc, char **argv, struct buf *out, struct err *e)
{
	CLEANUP(body_release) struct body b = {.fd = -1};
	int rc = check_body(c, argc, argv, e);

	if (!rc)
		rc = cli_connect(c, e); /* the broker tells what fits */
	if (!rc)
		rc = body(c, argc, &b, e);
	if (!rc && b.len > submit_body_limit(c))
		rc = err_set(e, ERR_TOO_LARGE,
					 "%llu bytes are too many for a message; put them into the object store (nats obj "
					 "put) and name them by --object",
					 (unsigned long long)b.len);
	if (!rc)
		buf_add(out, b.bytes.data, b.bytes.len);
	return rc;
}

/* A body that no message can carry goes into the object store, under the task's id. */
static int put_large(struct cli *c, struct draft *d, struct body *b, struct err *e)
{
	CLEANUP(free_ptr) char *name = xasprintf(OBJECT_OF_SUBMIT "%s", d->id);
	CLEANUP(free_ptr) char *ref = xasprintf(OBJECT_BUCKET "/%s", name);
	const struct object_source source = {
		.data = b->fd < 0 ? b->bytes.data : NULL, .fd = b->fd, .len_bytes = b->len};

	if (b->len <= submit_body_limit(c))
		return 0;
	cli_say(c, "%llu bytes are too many for a message; they go to the object store as %s",
			(unsigned long long)b->len, ref);
	if (cli_object_put(c, name, &source, e))
		return err_wrap(e, "%s", d->id);
	buf_reset(&b->bytes);
	return draft_add(d, H_TASK_OBJECT, ref, e);
}

/* The flags that are a header each. */
int submit_headers(const struct cli *c, struct draft *d, struct err *e)
{
	const char *v;
	int64_t attempts = 0;

	if (cli_has(c, "delay") && cli_has(c, "at"))
		return err_set(e, ERR_INVALID, "--delay and --at exclude each other");
	if ((v = cli_value(c, "priority")) && draft_priority(d, v, e))
		return err_wrap(e, "--priority");
	if ((v = cli_value(c, "requires")) && draft_requires(d, v, e))
		return err_wrap(e, "--requires");
	if ((v = cli_value(c, "timeout")) && draft_duration(d, H_TASK_TIMEOUT, v, e))
		return err_wrap(e, "--timeout");
	if ((v = cli_value(c, "delay")) && draft_duration(d, H_TASK_DELAY, v, e))
		return err_wrap(e, "--delay");
	if ((v = cli_value(c, "at")) && draft_at(d, v, e))
		return err_wrap(e, "--at");
	if ((v = cli_value(c, "expires")) && draft_expires(d, v, e))
		return err_wrap(e, "--expires");
	if ((v = cli_value(c, "backoff")) && draft_backoff(d, v, e))
		return err_wrap(e, "--backoff");
	if (cli_number(c, "attempts", 1, ATTEMPTS_MAX, &attempts, e))
		return ERR_INVALID;
	if ((v = cli_value(c, "attempts")) && draft_add(d, H_TASK_ATTEMPTS, v, e))
		return e->code;
	if ((v = cli_value(c, "object")) && draft_add(d, H_TASK_OBJECT, v, e))
		return e->code;
	if ((v = cli_value(c, "project"))) {
		if (token_check("project", v, e))
			return err_wrap(e, "--project");
		if (draft_add(d, H_TASK_PROJECT, v, e))
			return e->code;
	}
	if ((v = cli_value(c, "unique")) && draft_unique(d, v, e))
		return err_wrap(e, "--unique");
	if ((v = cli_value(c, "result-expires")) && draft_result_expires(d, v, e))
		return err_wrap(e, "--result-expires");
	for (size_t i = 0; (v = cli_value_nth(c, "header", i)); i++) {
		if (draft_add_line(d, v, e))
			return e->code;
	}
	return 0;
}

static int make_draft(const struct cli *c, const char *type, struct draft *d, struct err *e)
{
	char id[ULID_LEN + 1];
	const char *given = cli_value(c, "id");

	ulid_new(id);
	if (draft_type(d, type, e))
		return ERR_INVALID;
	if (draft_id(d, given ? given : id, e))
		return err_wrap(e, "--id");
	return submit_headers(c, d, e);
}

static int explain(const struct cli *c, const struct draft *d, struct err *e)
{
	switch ((enum err_code)e->code) {
	case ERR_TIMEOUT:
		return err_set(e, ERR_TIMEOUT,
					   "task %s: no acknowledgement in time, so it may or may not be there; "
					   "submitting again with --id %s is safe",
					   d->id, d->id);
	case ERR_FULL:
		return err_wrap(
			e, "task %s: the system is full and takes no more at the moment; try again later",
			d->id);
	case ERR_NOT_FOUND:
		return err_set(e, ERR_FAILED, "no stream takes tasks.%s at %s; run 'millrace setup'",
					   d->type, bus_url(c->bus));
	case ERR_OK:
	case ERR_INVALID:
	case ERR_EXISTS:
	case ERR_UNREACHABLE:
	case ERR_DENIED:
	case ERR_CONFLICT:
	case ERR_TOO_LARGE:
	case ERR_CLOSED:
	case ERR_IO:
	case ERR_PROTOCOL:
	case ERR_FAILED:
		return err_wrap(e, "task %s", d->id);
	}
	return e->code;
}

static int publish(struct cli *c, const struct draft *d, const struct buf *data,
				   bool *ret_duplicate, struct err *e)
{
	char subject[8 + TOKEN_MAX];
	struct bus_out out = {.subject = subject,
						  .data = data->data,
						  .len = data->len,
						  .headers = d->headers,
						  .nheaders = d->nheaders};

	snprintf(subject, sizeof(subject), "tasks.%s", d->type);
	return cli_publish(c, &out, NULL, ret_duplicate, e) ? explain(c, d, e) : 0;
}

/* prediction is borrowed; NULL: none was asked for. */
static void print_id(const struct cli *c, const struct draft *d, bool duplicate, json_t *prediction)
{
	json_t *j;

	if (!c->config.json) {
		predict_say(c, prediction);
		printf("%s\n", d->id);
		return;
	}
	j = json_pack("{s:s, s:s, s:b}", "id", d->id, "type", d->type, "duplicate", duplicate);
	if (prediction)
		json_object_set(j, "prediction", prediction);
	cli_print_json(j);
	json_decref(j);
}

static int submit_one(struct cli *c, struct draft *d, int argc)
{
	CLEANUP(body_release) struct body b = {.fd = -1};
	struct err e = {0};
	struct waiter *w = NULL;
	json_t *prediction = NULL;
	int64_t wait_ns = -NS_PER_MS; /* for ever */
	bool duplicate = false;
	int code;

	if (cli_duration(c, "wait", &wait_ns, &e) || cli_connect(c, &e) || body(c, argc, &b, &e) ||
		put_large(c, d, &b, &e))
		return cli_fail(c, &e);
	if (cli_has(c, "wait") && waiter_open(c, d->type, d->id, &w, &e))
		return cli_fail(c, &e);
	if (cli_has(c, "predict"))
		prediction = predict_ask(c, d);
	if (publish(c, d, &b.bytes, &duplicate, &e)) {
		json_decref(prediction);
		waiter_close(&w);
		return cli_fail(c, &e);
	}
	if (duplicate)
		cli_say(c, "task %s was submitted before; it was not added again", d->id);
	if (!w) {
		print_id(c, d, duplicate, prediction);
		json_decref(prediction);
		return EXIT_OK;
	}
	predict_say(c, prediction);
	json_decref(prediction);
	cli_say(c, "task %s submitted; waiting", d->id);
	code = waiter_finish(w, wait_ns / NS_PER_MS);
	waiter_close(&w);
	return code;
}

static int run_batch(struct cli *c, int argc, char **argv)
{
	struct err e = {0};

	for (size_t i = 0; i < c->nflags; i++) {
		if (!str_eq(c->flags[i].flag->name, "batch"))
			return cli_usage(c, "--%s is for one task; in a batch each line says it for itself",
							 c->flags[i].flag->name);
	}
	if (argc > 1)
		return cli_usage(c, "a batch takes no body");
	if (argc == 1 && token_check("type", argv[0], &e))
		return cli_fail(c, &e);
	return submit_batch(c, cli_value(c, "batch"), argc ? argv[0] : NULL);
}

static int run(struct cli *c, int argc, char **argv)
{
	struct draft d = {0};
	struct err e = {0};
	int code;

	if (cli_has(c, "batch"))
		return run_batch(c, argc, argv);
	if (argc == 0)
		return cli_usage(c, "which type?");
	if (make_draft(c, argv[0], &d, &e) || check_body(c, argc, argv, &e))
		code = cli_fail(c, &e);
	else
		code = submit_one(c, &d, argc);
	draft_release(&d);
	return code;
}
