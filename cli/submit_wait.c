/*
 * Waits for the outcome of one task. It stands alone because two things may
 * tell it and either may be lost: the node's message on results.<type>.<id>
 * (quick, sent once) and the store's row (slower, there for good).
 *
 * Goes well: the result comes as a message and its bytes are printed. Where
 * that message was missed (a reconnect, a task that was done already), the
 * store is asked every now and then. With --json the stored row is what is
 * printed, so its arrival is awaited for a while. Fails: the task is dead or cancelled
 * (4), the time is over (124), Ctrl-C (130): the task itself goes on.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/object.h"
#include "cli/submit.h"
#include "cli/task.h"
#include "common/base64.h"
#include "common/task.h"

#define ASK_FIRST_MS 1000
#define ASK_MOST_MS 5000
#define ASK_LEAST_MS 250
#define WAITING_SAID 2 /* after some three seconds */
#define STORED_FIRST_MS 5
#define STORED_MOST_MS 10000
#define SUBMISSION_MOST_MS 1000

struct waiter {
	struct cli *cli;
	const char *type, *id;
	struct bus_sub *sub;
	struct bus_msg *result; /* what the node told */
	json_t *task;           /* what the store told, once it is terminal */
	unsigned waiting;       /* how often it was asked for and not begun */
	bool done;
};

static void on_result(void *data, struct bus_msg **m)
{
	struct waiter *w = data;

	if (w->done)
		return;
	w->result = TAKE(*m);
	w->done = true;
}

int waiter_open(struct cli *c, const char *type, const char *id, struct waiter **ret, struct err *e)
{
	struct waiter *w = xcalloc(1, sizeof(*w));
	CLEANUP(free_ptr) char *subject = xasprintf("results.%s.%s", type, id);
	int rc;

	w->cli = c;
	w->type = type;
	w->id = id;
	rc = bus_subscribe(c->bus, subject, NULL, on_result, w, &w->sub, e);
	if (rc) {
		free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

void waiter_close(struct waiter **ww)
{
	struct waiter *w = *ww;

	if (!w)
		return;
	*ww = NULL;
	bus_unsubscribe(&w->sub);
	bus_msg_free(w->result);
	json_decref(w->task);
	free(w);
}

static int64_t left_ms(int64_t deadline, int64_t step)
{
	int64_t left = deadline - clock_mono_ms();

	return deadline == INT64_MAX ? step : MIN_OF(MAX_OF(left, 0), step);
}

/* Asks the store once. Its troubles are not ours: the node may still tell. A mute store must not
 * stretch the deadline. */
static void ask(struct waiter *w, int64_t deadline, struct err *ret_trouble)
{
	int64_t usual_ns = w->cli->config.timeout_ns;
	int64_t most_ms = left_ms(deadline, cli_timeout_ms(w->cli));
	json_t *task = NULL;
	int rc;

	*ret_trouble = (struct err){0};
	w->cli->config.timeout_ns = MAX_OF(most_ms, ASK_LEAST_MS) * NS_PER_MS;
	rc = task_fetch(w->cli, w->id, &task, ret_trouble);
	w->cli->config.timeout_ns = usual_ns;
	if (rc)
		return;
	if (!task_terminal(task)) {
		const char *state = json_string_value(json_object_get(task, "state"));
		if (state && !str_eq(state, "running") && ++w->waiting == WAITING_SAID)
			cli_say(w->cli, "task %s is %s: no node has begun it yet; 'millrace doctor' tells why",
					w->id, state);
		json_decref(task);
		return;
	}
	json_decref(w->task);
	w->task = task;
}

static int timed_out(const struct waiter *w, const struct err *trouble)
{
	if (trouble->code && trouble->code != ERR_NOT_FOUND)
		cli_say(w->cli, "%s", trouble->text);
	cli_say(w->cli, "task %s: no result in time; it goes on, and 'millrace task get %s' will tell",
			w->id, w->id);
	return EXIT_TIMED_OUT;
}

/* 0 once the node or the store told; else an exit code. */
static int await(struct waiter *w, int64_t deadline)
{
	struct err trouble = {0};
	struct err e = {0};
	int64_t step = ASK_FIRST_MS;

	while (!w->done && !w->task) {
		int rc = cli_wait(w->cli, &w->done, left_ms(deadline, step), &e);

		if (rc == 0)
			break;
		if (rc != ERR_TIMEOUT)
			return cli_fail(w->cli, &e);
		ask(w, deadline, &trouble);
		if (!w->done && !w->task && clock_mono_ms() >= deadline)
			return timed_out(w, &trouble);
		step = MIN_OF(step * 2, ASK_MOST_MS);
	}
	return 0;
}

/*
 * A row may be final before the router's word of its submission is stored, as a quick node's
 * outcome overtakes it: priority and body are then not there yet. What was refused has no such word
 * at all.
 */
static bool told_whole(const struct waiter *w, int64_t final_since)
{
	return json_is_string(json_object_get(w->task, "queued_at")) ||
		   clock_mono_ms() - final_since >= SUBMISSION_MOST_MS;
}

/* The store's row follows the node's message within moments; a store that is away is not waited for
 * beyond them. */
static int await_stored(struct waiter *w, int64_t deadline)
{
	struct err trouble = {0};
	struct err e = {0};
	bool never = false;
	int64_t step = STORED_FIRST_MS;
	int64_t last = MIN_OF(deadline, clock_mono_ms() + STORED_MOST_MS);
	int64_t final_since = 0;

	for (;;) {
		int rc;

		ask(w, last, &trouble);
		if (w->task && !final_since)
			final_since = clock_mono_ms();
		if ((w->task && told_whole(w, final_since)) || clock_mono_ms() >= last)
			return 0;
		rc = cli_wait(w->cli, &never, left_ms(last, step), &e);
		if (rc != ERR_TIMEOUT)
			return cli_fail(w->cli, &e);
		step = MIN_OF(step * 2, ASK_FIRST_MS);
	}
}

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* What the node's message tells, in the words of a task; what only the store knows is null. */
static json_t *task_of_message(const struct waiter *w)
{
	static const char *const unknown[] = {"attempt",    "lane",        "priority",   "submitted_at",
										  "started_at", "finished_at", "duration_ms"};
	const char *state = bus_msg_header(w->result, "Task-State");
	const char *data = bus_msg_data(w->result);
	size_t len = bus_msg_len(w->result);
	CLEANUP(buf_release) struct buf coded = {0};
	json_t *j = json_pack("{s:s, s:s, s:s}", "id", w->id, "type", w->type, "state",
						  state ? state : "completed");

	if (bus_msg_header(w->result, H_RESULT_OBJECT))
		json_object_set_new(j, "result_object",
							json_string(bus_msg_header(w->result, H_RESULT_OBJECT)));
	json_object_set_new(j, "node", text_or_null(bus_msg_header(w->result, "Task-Node")));
	json_object_set_new(j, "error", text_or_null(bus_msg_header(w->result, "Nats-Service-Error")));
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		json_object_set_new(j, unknown[i], json_null());
	if (utf8_ok(data, len)) {
		json_object_set_new(j, "result", json_stringn(data, len));
		return j;
	}
	base64_encode(data, len, &coded);
	json_object_set_new(j, "result_base64", json_string(coded.data));
	return j;
}

static int failed(const struct waiter *w, const char *state, const char *error)
{
	cli_say(w->cli, "task %s is %s%s%s", w->id, state, error && error[0] ? ": " : "",
			error ? error : "");
	return EXIT_TASK_FAILED;
}

static void end_line(const struct cli *c, const char *data, size_t len)
{
	if (c->terminal && len > 0 && data[len - 1] != '\n')
		fputc('\n', stdout);
}

static int print_object(struct cli *c, const char *ref)
{
	struct err e = {0};

	return cli_object_print(c, ref, &e) ? cli_fail(c, &e) : EXIT_OK;
}

static int print_message(const struct waiter *w)
{
	const char *state = bus_msg_header(w->result, "Task-State");

	if (state && !str_eq(state, "completed"))
		return failed(w, state, bus_msg_header(w->result, "Nats-Service-Error"));
	const char *object = bus_msg_header(w->result, H_RESULT_OBJECT);
	if (object)
		return print_object(w->cli, object);
	fwrite(bus_msg_data(w->result), 1, bus_msg_len(w->result), stdout);
	end_line(w->cli, bus_msg_data(w->result), bus_msg_len(w->result));
	return EXIT_OK;
}

static int print_task(const struct waiter *w)
{
	const char *state = task_text(w->task, "state");
	CLEANUP(buf_release) struct buf result = {0};

	if (w->cli->config.json)
		cli_print_json(w->task);
	if (!str_eq(state, "completed"))
		return failed(w, state, task_text(w->task, "error"));
	if (w->cli->config.json)
		return EXIT_OK;
	if (*task_text(w->task, "result_object"))
		return print_object(w->cli, task_text(w->task, "result_object"));
	task_result(w->task, &result);
	if (result.len)
		fwrite(result.data, 1, result.len, stdout);
	end_line(w->cli, result.data, result.len);
	return EXIT_OK;
}

int waiter_finish(struct waiter *w, int64_t timeout_ms)
{
	int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
	int code = await(w, deadline);

	if (code == 0 && w->cli->config.json && !w->task)
		code = await_stored(w, deadline);
	if (code)
		return code;
	if (w->cli->config.json && !w->task) {
		cli_say(w->cli, "task %s: the store has not told yet; this is what the node told", w->id);
		w->task = task_of_message(w);
	}
	return w->task ? print_task(w) : print_message(w);
}
