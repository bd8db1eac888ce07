/*
 * `millrace task watch`: a live view. It stands alone because it is a stream
 * and ends by itself only for one task.
 *
 * Goes well: the components' events are tapped (a plain subscription; nothing
 * is consumed) and each that fits the filters is a line. For one ID the end
 * is the stored terminal state, told by `stored` and, since that message may
 * be missed, asked for every now and then. Fails: no broker at the start (5);
 * a task that nobody knows (3). When events come faster than they can be
 * printed the newest are dropped: it is a view, not a record.
 */
#include <stdio.h>
#include <time.h>

#include "cli/cell.h"
#include "cli/table.h"
#include "cli/task.h"
#include "cli/watch_event.h"
#include "common/task.h"
#include "common/token.h"
#include "proto/event.pb-c.h"

#define ASK_MS 2000
#define UNKNOWN_TRIES 5 /* a task that was just submitted may be on its way */

struct watch {
	struct cli *cli;
	const char *id, *type, *node, *lane;
	json_t *states;
	struct bus_sub *events, *stored;
	bool asked_for;    /* `stored` or the terminal event told that it is worth asking */
	const char *ended; /* the terminal event that was printed, by its name; NULL: none */
	bool seen;         /* some event of it was printed */
	bool closed;       /* stdout is gone */
};

static bool fits(const char *want, const char *have)
{
	return !want || str_eq(want, have);
}

/* The state that a task has after the event. */
static const char *state_of(const char *event)
{
	if (str_eq(event, "started"))
		return "running";
	if (str_eq(event, "failed") || str_eq(event, "returned"))
		return "queued";
	return event;
}

static bool state_wanted(const struct watch *w, const char *state)
{
	json_t *s;
	size_t i;

	json_array_foreach(w->states, i, s)
	{
		if (str_eq(json_string_value(s), state))
			return true;
	}
	return json_array_size(w->states) == 0;
}

static void took(int64_t duration_ns, char out[32])
{
	out[0] = '\0';
	if (duration_ns)
		snprintf(out, 32, "%.1fms", (double)duration_ns / 1e6);
}

/* For eyes: local time, columns that hold still, what happened in its colour. */
static void terminal_line(const struct watch_event *ev, bool color, struct buf *out)
{
	const char *paint = color ? cell_paint(ev->event) : NULL;
	CLEANUP(buf_release) struct buf line = {0};
	time_t seconds = (time_t)(ev->at_wall_ns / NS_PER_S);
	char when[32], duration[32];
	struct tm tm;

	localtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	took(ev->duration_ns, duration);
	buf_printf(out, "%s.%03d  %s", when, (int)(ev->at_wall_ns / NS_PER_MS % 1000),
			   paint ? paint : "");
	buf_printf(&line, "%-10s", ev->event);
	text_add_safe(out, line.data, line.len);
	buf_add_str(out, paint ? "\x1b[0m" : "");
	buf_release(&line);
	line = (struct buf){0};
	buf_printf(&line, " %-16s %-26s %-2u %-14s %9s  %s", ev->type, ev->id, ev->attempt, ev->node,
			   duration, ev->error);
	text_add_safe(out, line.data, line.len);
}

static void tabbed_line(const struct watch_event *ev, struct buf *out)
{
	char when[32], attempt[16], duration[32];
	const char *const cells[] = {when,     ev->event, ev->type, ev->id,   attempt,
								 ev->lane, ev->node,  duration, ev->error};

	time_format(ev->at_wall_ns, when);
	snprintf(attempt, sizeof(attempt), "%u", ev->attempt);
	took(ev->duration_ns, duration);
	for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
		if (i)
			buf_add(out, "\t", 1);
		text_add_safe(out, cells[i], strlen(cells[i]));
	}
}

static void print_line(const struct watch *w, const struct watch_event *ev)
{
	CLEANUP(buf_release) struct buf line = {0};

	if (w->cli->terminal)
		terminal_line(ev, w->cli->color, &line);
	else
		tabbed_line(ev, &line);
	buf_add(&line, "\n", 1);
	fwrite(line.data, 1, line.len, stdout);
}

static void print_json(const struct watch_event *ev)
{
	char when[32];
	json_t *j;

	time_format(ev->at_wall_ns, when);
	j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s}", "at", when, "event", ev->event,
				  "id", ev->id, "type", ev->type, "state", state_of(ev->event), "attempt",
				  (int)ev->attempt, "lane", ev->lane, "node", ev->node, "error", ev->error);
	if (!j)
		return; /* an error text that is no UTF-8: nothing that JSON could carry */
	if (ev->duration_ns)
		json_object_set_new(j, "duration_ms", json_real((double)ev->duration_ns / 1e6));
	cli_print_json(j);
	json_decref(j);
}

static void on_event(void *data, const struct watch_event *ev)
{
	struct watch *w = data;

	if (!fits(w->id, ev->id) || !fits(w->type, ev->type) || !fits(w->node, ev->node) ||
		!fits(w->lane, ev->lane) || !state_wanted(w, state_of(ev->event)))
		return;
	if (w->cli->config.json)
		print_json(ev);
	else
		print_line(w, ev);
	fflush(stdout);
	w->seen = true;
	if (state_terminal(ev->event)) {
		w->ended = state_of(ev->event);
		w->asked_for = true;
	}
	w->closed = cli_output_closed();
}

static void on_message(void *data, struct bus_msg **m)
{
	struct watch_message read = {
		.subject = bus_msg_subject(*m), .data = bus_msg_data(*m), .len = bus_msg_len(*m)};

	read.headers = bus_msg_headers(*m, &read.nheaders);
	watch_events_read(&read, on_event, data);
}

static void on_stored(void *data, struct bus_msg **m)
{
	struct watch *w = data;
	ProtobufCMessage *record;
	const Millrace__StoredBatch *batch;

	if (codec_decode(&millrace__stored_batch__descriptor, bus_msg_header(*m, H_CONTENT_TYPE),
					 bus_msg_data(*m), bus_msg_len(*m), &record, NULL))
		return;
	batch = (const Millrace__StoredBatch *)record;
	for (size_t i = 0; i < batch->n_tasks; i++) {
		if (str_eq(batch->tasks[i]->id, w->id))
			w->asked_for = true;
	}
	codec_free(record);
}

static int open_watch(struct watch *w, struct err *e)
{
	struct cli *c = w->cli;

	if (task_filters_check(c, e) || (w->id && task_id_check(w->id, e)) ||
		task_states(c, &w->states, e))
		return e->code;
	if (cli_connect(c, e) || bus_subscribe(c->bus, "events.>", NULL, on_message, w, &w->events, e))
		return e->code;
	if (w->id && bus_subscribe(c->bus, "stored", NULL, on_stored, w, &w->stored, e))
		return e->code;
	return 0;
}

static int code_of(const char *state)
{
	return str_eq(state, "completed") ? EXIT_OK : EXIT_TASK_FAILED;
}

/* Where the terminal event was missed, the stored row is told in its stead. */
static int finish(struct watch *w, const json_t *task)
{
	const char *state = task_text(task, "state");
	int64_t at = 0;

	if (time_parse(task_text(task, "finished_at"), &at, NULL))
		at = clock_wall_ns();
	if (!w->ended) {
		struct watch_event ev = {
			.event = state,
			.id = w->id,
			.type = task_text(task, "type"),
			.lane = task_text(task, "lane"),
			.node = task_text(task, "node"),
			.error = task_text(task, "error"),
			.at_wall_ns = at,
			.attempt = (unsigned)json_integer_value(json_object_get(task, "attempt"))};

		on_event(w, &ev);
	}
	return code_of(state);
}

/* Asks the store. True: it is over, with *ret_code. */
static bool look(struct watch *w, unsigned *io_unknown, bool *io_told, int *ret_code)
{
	struct err e = {0};
	json_t *task = NULL;
	int rc = task_fetch(w->cli, w->id, &task, &e);
	bool over = rc == 0 && task_terminal(task);

	if (over) {
		*ret_code = finish(w, task);
	} else if (rc == 0 && !*io_told) {
		*io_told = true;
		cli_say(w->cli, "task %s is %s", w->id, task_text(task, "state"));
	}
	json_decref(task);
	if (over || rc == 0)
		return over;
	*io_unknown += 1;
	if (rc == ERR_NOT_FOUND && *io_unknown == 1 && !w->seen)
		cli_say(w->cli, "task %s is not stored; waiting a moment in case it is on its way", w->id);
	if (rc != ERR_NOT_FOUND && rc != ERR_CLOSED && *io_unknown == 1)
		cli_say(w->cli, "%s; what happens from now on is shown all the same", e.text);
	/* The store is behind, but the event itself was acknowledged. */
	if (w->ended && *io_unknown >= UNKNOWN_TRIES) {
		*ret_code = code_of(w->ended);
		return true;
	}
	if (rc == ERR_CLOSED || rc == ERR_DENIED ||
		(rc == ERR_NOT_FOUND && !w->seen && !*io_told && *io_unknown >= UNKNOWN_TRIES)) {
		*ret_code = cli_fail(w->cli, &e);
		return true;
	}
	return false;
}

static int watch_one(struct watch *w)
{
	struct err e = {0};
	unsigned unknown = 0;
	bool told = false;
	int code;

	for (;;) {
		int rc;

		w->asked_for = false;
		if (look(w, &unknown, &told, &code))
			return code;
		rc = cli_wait(w->cli, &w->asked_for, ASK_MS, &e);
		if (rc && rc != ERR_TIMEOUT)
			return cli_fail(w->cli, &e);
		if (w->closed)
			return EXIT_OK;
	}
}

static int watch_all(struct watch *w)
{
	struct err e = {0};
	int rc;

	cli_say(w->cli, "watching; Ctrl-C ends it");
	rc = cli_wait(w->cli, &w->closed, -1, &e);
	return rc == 0 ? EXIT_OK : cli_exit_code(rc);
}

int run_task_watch(struct cli *c, int argc, char **argv)
{
	struct watch w = {.cli = c,
					  .id = argc ? argv[0] : NULL,
					  .type = cli_value(c, "type"),
					  .node = cli_value(c, "node"),
					  .lane = cli_value(c, "lane")};
	struct err e = {0};
	int code;

	if (open_watch(&w, &e))
		code = cli_fail(c, &e);
	else
		code = w.id ? watch_one(&w) : watch_all(&w);
	bus_unsubscribe(&w.events);
	bus_unsubscribe(&w.stored);
	json_decref(w.states);
	return code;
}
