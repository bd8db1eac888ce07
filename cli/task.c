/*
 * `millrace task get` and `task list`, and what the other commands need to
 * know about one task. It stands alone as the reader of api.task.*.
 *
 * Goes well: the store answers and rows are printed. Fails: no such task (3),
 * no store (5), a filter that is no token (2, before anything is asked).
 */
#include "cli/task.h"

#include "cli/object.h"

#include <stdio.h>

#include "cli/task_control.h"

#include "common/base64.h"
#include "common/token.h"

#define ROWS_DEFAULT 50
#define PAGE_ROWS_FIRST 50
#define PAGE_ROWS_MOST 1000

static int run_get(struct cli *c, int argc, char **argv);
static int run_list(struct cli *c, int argc, char **argv);

#define FILTER_FLAGS                                                                    \
	{"state", 's', "S",                                                                 \
	 "scheduled, queued, running, completed, dead or cancelled; several by commas"},    \
		{"type", 't', "TYPE", "of this type"}, {"node", 0, "NODE", "run by this node"}, \
	{                                                                                   \
		"lane", 0, "LANE", "of this lane"                                               \
	}

static const struct cli_flag get_flags[] = {
	{"result", 'r', NULL,
	 "print nothing but the bytes of the result; exit 4 when it is dead, 3 when it has expired"},
	{0},
};
static const struct cli_flag list_flags[] = {
	FILTER_FLAGS,
	{"project", 0, "S", "of this project"},
	{"since", 0, "D", "submitted within this time"},
	{0},
};
static const struct cli_flag watch_flags[] = {
	FILTER_FLAGS,
	{0},
};

const struct cli_command commands_task[] = {
	{"task get", "ID [--result]", "one task: where it stands, its result or error, its attempts",
	 "examples:\n"
	 "  millrace task get order-42\n"
	 "  millrace task get order-42 --result > out.bin\n"
	 "  millrace task get order-42 --json | jq .duration_ms\n",
	 get_flags, 1, 1, run_get},
	{"task list", "[filters]", "tasks, newest first",
	 "examples:\n"
	 "  millrace task list --state queued,running\n"
	 "  millrace task list --type echo --since 10m --limit 500\n"
	 "  millrace task list --state dead --json | jq -r .error | sort | uniq -c\n"
	 "A list has 50 rows unless --limit says otherwise; with --json all that match.\n",
	 list_flags, 0, 0, run_list},
	{"task watch", "[ID|filters]",
	 "what happens to tasks, as it happens; with an ID until it is done",
	 "examples:\n"
	 "  millrace task watch order-42         exit 0 when completed, 4 when dead\n"
	 "  millrace task watch --type echo --state dead\n",
	 watch_flags, 0, 1, run_task_watch},
	{"task cancel", "ID… | --type T | --lane L | --project P", "end tasks that wait or run",
	 "examples:\n"
	 "  millrace task cancel order-42 order-43\n"
	 "  millrace task cancel --type summarize --project blue     asks for a word first\n"
	 "  millrace task cancel --lane report --max 0 --yes\n"
	 "What waits is cancelled at once; what runs is told 'ending' and is ended by its node. Exit 3: "
	 "no such task; 1: it has ended.\n"
	 "By --type, --lane and --project all are meant that were submitted before.\n",
	 task_cancel_flags, 0, CLI_ANY_ARGS, run_task_cancel},
	{"task retry", "ID", "run a task that has ended once more, as a new task ID.r1, ID.r2, …",
	 "examples:\n"
	 "  millrace task retry order-42            prints order-42.r1\n"
	 "  millrace task retry order-42 --wait     prints its result\n"
	 "Its body and headers are those that were kept. While the last retry has not ended, that one "
	 "is the answer.\n",
	 task_retry_flags, 1, 1, run_task_retry},
	{"task reassign", "ID [--node N|--not-node N]", "let a task that waits or runs run elsewhere",
	 "examples:\n"
	 "  millrace task reassign order-42                    anywhere but where it runs\n"
	 "  millrace task reassign order-42 --node node-2\n"
	 "Where it runs it is ended; no attempt is spent.\n",
	 task_reassign_flags, 1, 1, run_task_reassign},
	{0},
};

static const struct cli_column list_columns[] = {
	{"ID", "id", CELL_TEXT},
	{"TYPE", "type", CELL_TEXT},
	{"STATE", "state", CELL_STATE},
	{"ATTEMPT", "attempt", CELL_NUMBER},
	{"LANE", "lane", CELL_TEXT},
	{"NODE", "node", CELL_TEXT},
	{"SUBMITTED", "submitted_at", CELL_AGE},
	{"WAIT", "wait_ms", CELL_DURATION_MS},
	{"DURATION", "duration_ms", CELL_DURATION_MS},
	{"ERROR", "error", CELL_LONG},
};

static const struct cli_column record_columns[] = {
	{"id", "id", CELL_TEXT},
	{"type", "type", CELL_TEXT},
	{"state", "state", CELL_STATE},
	{"attempt", "attempt", CELL_NUMBER},
	{"attempts", "attempts", CELL_NUMBER},
	{"lane", "lane", CELL_TEXT},
	{"node", "node", CELL_TEXT},
	{"priority", "priority", CELL_TEXT},
	{"project", "project", CELL_TEXT},
	{"submitted", "submitted_at", CELL_AGE},
	{"queued", "queued_at", CELL_AGE},
	{"due", "due_at", CELL_AGE},
	{"started", "started_at", CELL_AGE},
	{"finished", "finished_at", CELL_AGE},
	{"waited", "wait_ms", CELL_DURATION_MS},
	{"duration", "duration_ms", CELL_DURATION_MS},
	{"body", "body_bytes", CELL_BYTES},
	{"headers", "headers", CELL_TEXT},
	{"error", "error", CELL_TEXT},
	{"reason", "reason", CELL_TEXT},
	{"retry of", "retry_of", CELL_TEXT},
	{"retried as", "retried_as", CELL_TEXT},
	{"result expired", "result_expired", CELL_TEXT},
	{"result type", "content_type", CELL_TEXT},
	{"result in", "result_object", CELL_TEXT},
	{"result size", "result_bytes", CELL_BYTES},
	{"result", "result", CELL_TEXT},
};

static const struct cli_column attempt_columns[] = {
	{"ATTEMPT", "attempt", CELL_NUMBER}, {"NODE", "node", CELL_TEXT},
	{"OUTCOME", "outcome", CELL_STATE},  {"REASON", "reason", CELL_TEXT},
	{"STARTED", "started_at", CELL_AGE}, {"ERROR", "error", CELL_LONG},
};

/* ---- one task ---- */

int task_fetch(struct cli *c, const char *id, json_t **ret, struct err *e)
{
	json_t *request = json_pack("{s:s}", "id", id);
	int rc = cli_call(c, "api.task.get", request, ret, e);

	json_decref(request);
	return rc;
}

bool state_terminal(const char *state)
{
	return str_eq(state, "completed") || str_eq(state, "dead") || str_eq(state, "cancelled");
}

bool task_terminal(const json_t *task)
{
	return state_terminal(task_text(task, "state"));
}

const char *task_text(const json_t *task, const char *key)
{
	const char *text = json_string_value(json_object_get(task, key));

	return text ? text : "";
}

void task_result(const json_t *task, struct buf *out)
{
	const json_t *text = json_object_get(task, "result");
	const json_t *coded = json_object_get(task, "result_base64");

	if (json_is_string(text))
		buf_add(out, json_string_value(text), json_string_length(text));
	else if (json_is_string(coded) &&
			 base64_decode(json_string_value(coded), json_string_length(coded), out, NULL))
		buf_add(out, json_string_value(coded),
				json_string_length(coded)); /* no base64 after all: as it is */
}

static void print_attempts(const struct cli *c, const json_t *task)
{
	const json_t *history = json_object_get(task, "history");

	if (json_array_size(history) == 0)
		return;
	printf("\n");
	cli_print_rows(c, attempt_columns, ARRAY_LEN(attempt_columns), history);
}

/* A picture is no text for a terminal: its size is told instead. */
static void summarize_binary(json_t *task)
{
	CLEANUP(buf_release) struct buf bytes = {0};
	CLEANUP(buf_release) struct buf words = {0};

	if (!json_is_string(json_object_get(task, "result_base64")))
		return;
	task_result(task, &bytes);
	buf_printf(&words, "(%zu bytes that are no text; --result prints them)", bytes.len);
	json_object_set_new(task, "result", json_string(words.data));
}

/* An empty result is one; that there is none must be told apart from it. */
static int print_result(struct cli *c, const json_t *task)
{
	struct err e = {0};
	CLEANUP(buf_release) struct buf result = {0};
	const char *state = task_text(task, "state");
	const char *error = task_text(task, "error");

	if (str_eq(state, "completed") && json_is_true(json_object_get(task, "result_expired"))) {
		cli_say(c, "task %s is completed, but its result has expired (keep.results, "
				   "Task-Result-Expires)",
				task_text(task, "id"));
		return EXIT_NOT_FOUND;
	}
	if (str_eq(state, "completed") && *task_text(task, "result_object"))
		return cli_object_print(c, task_text(task, "result_object"), &e) ? cli_fail(c, &e) : EXIT_OK;
	if (str_eq(state, "completed")) {
		task_result(task, &result);
		if (result.len)
			fwrite(result.data, 1, result.len, stdout);
		return EXIT_OK;
	}
	cli_say(c, "task %s is %s and has no result%s%s", task_text(task, "id"), state,
			*error ? ": " : "", error);
	return task_terminal(task) ? EXIT_TASK_FAILED : EXIT_FAILED;
}

static int run_get(struct cli *c, int argc, char **argv)
{
	int code = EXIT_OK;
	struct err e = {0};
	json_t *task;

	(void)argc;
	if (task_id_check(argv[0], &e) || task_fetch(c, argv[0], &task, &e))
		return cli_fail(c, &e);
	if (cli_has(c, "result")) {
		code = print_result(c, task);
	} else if (c->config.json) {
		cli_print_json(task);
	} else {
		summarize_binary(task);
		cli_print_record(c, record_columns, ARRAY_LEN(record_columns), task);
		print_attempts(c, task);
	}
	json_decref(task);
	return code;
}

/* ---- many ---- */

static bool state_known(const char *text, size_t len)
{
	static const char *const states[] = {"scheduled", "queued", "running",
										 "completed", "dead",   "cancelled"};

	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (strlen(states[i]) == len && strncmp(states[i], text, len) == 0)
			return true;
	}
	return false;
}

int task_states(const struct cli *c, json_t **ret, struct err *e)
{
	json_t *states = json_array();
	const char *text;

	for (size_t i = 0; (text = cli_value_nth(c, "state", i)); i++) {
		while (*text) {
			size_t len = strcspn(text, ",");

			if (!state_known(text, len)) {
				json_decref(states);
				return err_set(e, ERR_INVALID,
							   "--state: '%.*s' is none of scheduled, queued, running, completed, "
							   "dead, cancelled",
							   (int)MIN_OF(len, 40), text);
			}
			json_array_append_new(states, json_stringn(text, len));
			text += len + (text[len] == ',');
		}
	}
	*ret = states;
	return 0;
}

int task_filters_check(const struct cli *c, struct err *e)
{
	static const char *const tokens[] = {"type", "node", "project"};
	const char *lane = cli_value(c, "lane");
	struct lane parsed;

	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		const char *v = cli_value(c, tokens[i]);
		if (v && token_check(tokens[i], v, e))
			return err_wrap(e, "--%s", tokens[i]);
	}
	if (lane && lane_parse(lane, &parsed, e))
		return err_wrap(e, "--lane");
	return 0;
}

static int make_request(const struct cli *c, json_t **ret, struct err *e)
{
	static const char *const filters[] = {"type", "node", "lane", "project"};
	int64_t since_ns = 0;
	json_t *states;
	json_t *request;
	char after[32];

	if (task_filters_check(c, e) || cli_duration(c, "since", &since_ns, e) ||
		task_states(c, &states, e))
		return ERR_INVALID;
	request = json_object();
	json_object_set_new(request, "states", states);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (cli_value(c, filters[i]))
			json_object_set_new(request, filters[i], json_string(cli_value(c, filters[i])));
	}
	if (since_ns) {
		time_format(clock_wall_ns() - since_ns, after);
		json_object_set_new(request, "after_at", json_string(after));
	}
	if (c->config.json)
		json_object_set_new(request, "with_body", json_true());
	*ret = request;
	return 0;
}

struct listing {
	json_t *rows; /* gathered for a table; NULL: printed as they come */
	int64_t left; /* rows that may still come; INT64_MAX: all */
	bool more;    /* there were more than that */
};

static void take_page(struct listing *l, const json_t *tasks)
{
	json_t *task;
	size_t i;

	json_array_foreach(tasks, i, task)
	{
		if (l->left == 0) {
			l->more = true;
			return;
		}
		if (l->rows)
			json_array_append(l->rows, task);
		else
			cli_print_json(task);
		if (l->left != INT64_MAX)
			l->left--;
	}
}

/* Results come along with --json: a page that the store had to cut short is a hint to ask for less,
 * a full one for more. */
static int64_t next_rows(int64_t asked, size_t came)
{
	if ((int64_t)came < asked)
		return MAX_OF((int64_t)came, 1);
	return MIN_OF(asked * 2, PAGE_ROWS_MOST);
}

static int list_pages(struct cli *c, json_t *request, struct listing *l, struct err *e)
{
	int64_t rows = PAGE_ROWS_FIRST;

	for (;;) {
		int64_t asked = MIN_OF(MAX_OF(l->left, 1), rows);
		json_t *page;
		json_t *cursor;
		bool last;

		json_object_set_new(request, "limit", json_integer(asked));
		if (cli_call(c, "api.task.list", request, &page, e))
			return e->code;
		take_page(l, json_object_get(page, "tasks"));
		rows = next_rows(asked, json_array_size(json_object_get(page, "tasks")));
		cursor = json_object_get(page, "next_cursor");
		last = !json_is_string(cursor) || json_string_length(cursor) == 0;
		if (!last)
			json_object_set(request, "cursor", cursor);
		json_decref(page);
		if (last || cli_output_closed())
			return 0;
		if (l->left == 0) {
			l->more = true;
			return 0;
		}
	}
}

static int run_list(struct cli *c, int argc, char **argv)
{
	struct listing l = {.left = c->config.json ? INT64_MAX : ROWS_DEFAULT};
	struct err e = {0};
	json_t *request;
	int code;

	(void)argc;
	(void)argv;
	if (c->config.limit)
		l.left = c->config.limit;
	if (make_request(c, &request, &e))
		return cli_fail(c, &e);
	if (!c->config.json)
		l.rows = json_array();
	code = list_pages(c, request, &l, &e) ? cli_fail(c, &e) : EXIT_OK;
	if (code == EXIT_OK && l.rows)
		cli_print_rows(c, list_columns, ARRAY_LEN(list_columns), l.rows);
	if (code == EXIT_OK && l.more && !c->config.limit)
		cli_say(c, "there are more; --limit N shows more of them");
	json_decref(l.rows);
	json_decref(request);
	return code;
}
