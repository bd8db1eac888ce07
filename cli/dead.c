/*
 * `millrace dead list`, `groups` and `show`, and how a selection of dead
 * letters is asked for. It stands alone as the reader of api.dead.*. Goes
 * well: the router answers page by page, and what is printed is never all in
 * memory. Fails: no such letter (3), no router (5), a filter that is none (2).
 * An answer that did not come is asked for again for some seconds: nothing of
 * api.dead.* minds.
 */
#include "cli/dead.h"

#include <stdio.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/token.h"

#define ROWS_DEFAULT 50
#define PAGE_ROWS 500
#define AGAIN_FIRST_MS 200
#define AGAIN_SUM_MS 15000

static int run_list(struct cli *c, int argc, char **argv);
static int run_groups(struct cli *c, int argc, char **argv);
static int run_show(struct cli *c, int argc, char **argv);

#define WHICH                                                                                    \
	{"type", 't', "TYPE", "of this type; _invalid: of those that have none"},                    \
		{"fingerprint", 'f', "F", "of this failure; ten digits: of any version of the handler"}, \
	{                                                                                            \
		"since", 0, "D", "that died within this time"                                            \
	}

static const struct cli_flag list_flags[] = {WHICH, {0}};
static const struct cli_flag show_flags[] = {
	{"body", 0, NULL, "print nothing but the bytes of the body"},
	{0},
};
static const struct cli_flag replay_flags[] = {
	WHICH,
	{"id", 0, "ID", "of this task; may be given more than once"},
	{"all", 0, NULL, "every dead letter there is"},
	{"canary", 0, NULL, "one, then 10 %, then the rest; stops where the failure is back"},
	{"rate", 0, "R", "at most so many tasks a second"},
	{"wait", 0, "D", "how long a canary's stage waits for its tasks (10m)"},
	{"yes", 'y', NULL, "do not ask"},
	{0},
};
static const struct cli_flag discard_flags[] = {
	WHICH,
	{"id", 0, "ID", "of this task; may be given more than once"},
	{"all", 0, NULL, "every dead letter there is"},
	{"yes", 'y', NULL, "do not ask"},
	{0},
};

const struct cli_command commands_dead[] = {
	{"dead list", "[filters]", "dead letters, oldest first",
	 "examples:\n"
	 "  millrace dead list --type echo --since 1h\n"
	 "  millrace dead list --fingerprint 3fa94c1e02 --json | jq -r .id\n"
	 "A letter lies in the stream DEAD until it is replayed or discarded, at most 90 days; the "
	 "task's row stays.\n"
	 "A list has 50 rows unless --limit says otherwise; with --json all that match.\n",
	 list_flags, 0, 0, run_list},
	{"dead groups", "[filters]", "which failures, and how often",
	 "examples:\n"
	 "  millrace dead groups\n"
	 "  millrace dead groups --json | jq -r .fingerprint\n"
	 "Errors that differ only in numbers, ids, paths and quoted words have one fingerprint.\n",
	 list_flags, 0, 0, run_groups},
	{"dead show", "ID [--body]", "one dead letter, with its body",
	 "examples:\n"
	 "  millrace dead show order-42\n"
	 "  millrace dead show order-42 --body > body.bin\n",
	 show_flags, 1, 1, run_show},
	{"dead replay", "ID…|filters [--canary] [--rate R]", "make tasks of dead letters again",
	 "examples:\n"
	 "  millrace dead replay order-42\n"
	 "  millrace dead replay --fingerprint 3fa94c1e02 --canary --rate 50\n"
	 "  millrace dead replay --type echo --yes\n"
	 "The new task is <id>.r1, of that one <id>.r2 …; its letter is taken out of DEAD once the "
	 "task is in TASKS. Replaying\n"
	 "twice runs it once, so what was interrupted is just run again. With --limit N at most N "
	 "letters.\n"
	 "Exit 4: the canary stopped.\n",
	 replay_flags, 0, CLI_ANY_ARGS, run_dead_replay},
	{"dead discard", "ID…|filters", "take dead letters away",
	 "examples:\n"
	 "  millrace dead discard order-42\n"
	 "  millrace dead discard --type echo --yes\n"
	 "The rows of the tasks stay; only replaying is over.\n",
	 discard_flags, 0, CLI_ANY_ARGS, run_dead_discard},
	{0},
};

static const struct cli_column list_columns[] = {
	{"DIED", "died_at", CELL_AGE},   {"ID", "id", CELL_TEXT},
	{"TYPE", "type", CELL_TEXT},     {"FINGERPRINT", "fingerprint", CELL_TEXT},
	{"REASON", "reason", CELL_TEXT}, {"ATTEMPTS", "attempts", CELL_NUMBER},
	{"NODE", "node", CELL_TEXT},     {"BODY", "body_bytes", CELL_BYTES},
	{"ERROR", "error", CELL_LONG},
};

static const struct cli_column group_columns[] = {
	{"FINGERPRINT", "fingerprint", CELL_TEXT},
	{"LETTERS", "count", CELL_NUMBER},
	{"TYPE", "type", CELL_TEXT},
	{"VERSION", "version", CELL_TEXT},
	{"REASON", "reason", CELL_TEXT},
	{"FIRST", "first_at", CELL_AGE},
	{"LAST", "last_at", CELL_AGE},
	{"ID", "id", CELL_TEXT},
	{"ERROR", "error", CELL_LONG},
};

static const struct cli_column record_columns[] = {
	{"id", "id", CELL_TEXT},
	{"type", "type", CELL_TEXT},
	{"reason", "reason", CELL_TEXT},
	{"error", "error", CELL_TEXT},
	{"fingerprint", "fingerprint", CELL_TEXT},
	{"version", "version", CELL_TEXT},
	{"attempts", "attempts", CELL_NUMBER},
	{"node", "node", CELL_TEXT},
	{"lane", "lane", CELL_TEXT},
	{"submitted", "submitted_at", CELL_AGE},
	{"started", "started_at", CELL_AGE},
	{"died", "died_at", CELL_AGE},
	{"replay of", "retry_of", CELL_TEXT},
	{"its replay", "retry_id", CELL_TEXT},
	{"left out", "left_out", CELL_TEXT},
	{"in DEAD", "seq", CELL_NUMBER},
	{"headers", "headers", CELL_TEXT},
	{"content type", "content_type", CELL_TEXT},
	{"body bytes", "body_bytes", CELL_BYTES},
	{"body", "body", CELL_TEXT},
};

/* ---- asking ---- */

int dead_selection(const struct cli *c, json_t **ret, struct err *e)
{
	const char *type = cli_value(c, "type"), *fingerprint = cli_value(c, "fingerprint");
	int64_t since_ns = 0;
	char after[32];

	if (type && !str_eq(type, "_invalid") && token_check("type", type, e))
		return err_wrap(e, "--type");
	if (cli_duration(c, "since", &since_ns, e))
		return e->code;
	json_t *j = json_object();
	if (type)
		json_object_set_new(j, "type", json_string(type));
	if (fingerprint)
		json_object_set_new(j, "fingerprint", json_string(fingerprint));
	if (cli_has(c, "all"))
		json_object_set_new(j, "all", json_true());
	if (since_ns) {
		time_format(clock_wall_ns() - since_ns, after);
		json_object_set_new(j, "after_at", json_string(after));
	}
	*ret = j;
	return 0;
}

int dead_ask(struct cli *c, const char *verb, json_t *request, json_t **ret, struct err *e)
{
	CLEANUP(free_ptr) char *subject = xasprintf("api.dead.%s", verb);
	int64_t waited_ms = 0;
	bool never = false;

	for (int64_t step_ms = AGAIN_FIRST_MS;; step_ms *= 2) {
		int rc = cli_call(c, subject, request, ret, e);
		if (rc != ERR_TIMEOUT && rc != ERR_UNREACHABLE)
			return rc;
		/* A router that was never there is not waited for. */
		if (!c->bus || waited_ms + step_ms > AGAIN_SUM_MS ||
			(waited_ms > 2000 && bus_is_up(c->bus)))
			return rc;
		waited_ms += step_ms;
		struct err why;
		if (cli_wait(c, &never, step_ms, &why) != ERR_TIMEOUT)
			return err_set(e, why.code, "%s", why.text);
	}
}

int dead_pages(struct cli *c, const char *verb, json_t *request,
			   int (*each)(void *data, json_t *answer, json_t *request), void *data, struct err *e)
{
	for (;;) {
		json_t *answer;
		int rc = dead_ask(c, verb, request, &answer, e);
		if (rc)
			return rc;
		json_t *cursor = json_object_get(answer, "next_cursor");
		bool last = json_string_length(cursor) == 0;
		if (!last)
			json_object_set(request, "cursor", cursor);
		bool enough = each(data, answer, request) != 0;
		json_decref(answer);
		if (last || enough || cli_output_closed())
			return 0;
	}
}

static int count_page(void *data, json_t *answer, json_t *request)
{
	uint64_t *n = data;

	(void)request;
	*n += (uint64_t)json_integer_value(json_object_get(answer, "letters"));
	return 0;
}

int dead_count(struct cli *c, const json_t *selection, uint64_t *ret, struct err *e)
{
	json_t *request = json_deep_copy(selection);
	uint64_t n = 0;
	int rc = dead_pages(c, "groups", request, count_page, &n, e);

	json_decref(request);
	if (rc == 0)
		*ret = n;
	return rc;
}

/* ---- list ---- */

struct listing {
	const struct cli *cli;
	json_t *rows; /* gathered for a table; NULL: printed as they come */
	int64_t left; /* rows that may still come; INT64_MAX: all */
	bool more;
};

static void ask_for(json_t *request, int64_t left)
{
	json_object_set_new(request, "limit", json_integer(MIN_OF(MAX_OF(left, 1), PAGE_ROWS)));
}

static int list_page(void *data, json_t *answer, json_t *request)
{
	struct listing *l = data;
	json_t *letter;
	size_t i;

	json_array_foreach (json_object_get(answer, "letters"), i, letter) {
		if (l->left == 0) {
			l->more = true;
			return 1;
		}
		if (l->rows)
			json_array_append(l->rows, letter);
		else
			cli_print_json(letter);
		if (l->left != INT64_MAX)
			l->left--;
	}
	ask_for(request, l->left);
	l->more = l->left == 0 && json_string_length(json_object_get(answer, "next_cursor")) > 0;
	return l->left == 0;
}

static int run_list(struct cli *c, int argc, char **argv)
{
	struct listing l = {.cli = c, .left = c->config.json ? INT64_MAX : ROWS_DEFAULT};
	struct err e = {0};
	json_t *request;

	(void)argc;
	(void)argv;
	if (c->config.limit)
		l.left = c->config.limit;
	if (dead_selection(c, &request, &e))
		return cli_fail(c, &e);
	if (!c->config.json)
		l.rows = json_array();
	ask_for(request, l.left);
	int code = dead_pages(c, "list", request, list_page, &l, &e) ? cli_fail(c, &e) : EXIT_OK;
	if (code == EXIT_OK && l.rows)
		cli_print_rows(c, list_columns, ARRAY_LEN(list_columns), l.rows);
	if (code == EXIT_OK && l.more && !c->config.limit)
		cli_say(
			c,
			"there are more; --limit N shows more of them, 'millrace dead groups' all at a glance");
	json_decref(l.rows);
	json_decref(request);
	return code;
}

/* ---- groups ---- */

static void add_to(json_t *group, const json_t *more)
{
	static const char *const newest[] = {"reason", "error", "version", "id", "last_at"};
	json_int_t n = json_integer_value(json_object_get(group, "count")) +
				   json_integer_value(json_object_get(more, "count"));

	json_object_set_new(group, "count", json_integer(n));
	for (size_t i = 0; i < ARRAY_LEN(newest); i++)
		json_object_set(group, newest[i], json_object_get(more, newest[i]));
}

struct grouping {
	json_t *groups; /* by fingerprint */
	json_int_t ungrouped;
};

static int group_page(void *data, json_t *answer, json_t *request)
{
	struct grouping *g = data;
	json_t *group;
	size_t i;

	(void)request;
	json_array_foreach (json_object_get(answer, "groups"), i, group) {
		const char *f = json_string_value(json_object_get(group, "fingerprint"));
		json_t *known = json_object_get(g->groups, f ? f : "");
		if (known)
			add_to(known, group);
		else
			json_object_set(g->groups, f ? f : "", group);
	}
	g->ungrouped += json_integer_value(json_object_get(answer, "ungrouped"));
	return 0;
}

static int more_first(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t nx = json_integer_value(json_object_get(x, "count")),
			   ny = json_integer_value(json_object_get(y, "count"));

	return nx < ny ? 1 : nx > ny ? -1 : 0;
}

static json_t *sorted(const json_t *groups)
{
	size_t n = json_object_size(groups), k = 0;
	json_t **all = xcalloc(n + 1, sizeof(json_t *)), *list = json_array(), *group;
	const char *key;

	json_object_foreach ((json_t *)(uintptr_t)groups, key, group)
		all[k++] = group;
	qsort(all, n, sizeof(json_t *), more_first);
	for (size_t i = 0; i < n; i++)
		json_array_append(list, all[i]);
	free(all);
	return list;
}

static int run_groups(struct cli *c, int argc, char **argv)
{
	struct grouping g = {.groups = json_object()};
	struct err e = {0};
	json_t *request = NULL;
	int code;

	(void)argc;
	(void)argv;
	if (dead_selection(c, &request, &e) || dead_pages(c, "groups", request, group_page, &g, &e)) {
		code = cli_fail(c, &e);
	} else {
		json_t *rows = sorted(g.groups);
		cli_print_limited(c, group_columns, ARRAY_LEN(group_columns), rows);
		if (g.ungrouped)
			cli_say(c,
					"%lld more letters are of further failures; --type and --since tell them apart",
					(long long)g.ungrouped);
		json_decref(rows);
		code = EXIT_OK;
	}
	json_decref(request);
	json_decref(g.groups);
	return code;
}

/* ---- show ---- */

static void take_body(const json_t *letter, struct buf *out)
{
	const json_t *text = json_object_get(letter, "body"),
				 *coded = json_object_get(letter, "body_base64");

	if (json_is_string(text))
		buf_add(out, json_string_value(text), json_string_length(text));
	else if (json_is_string(coded) &&
			 base64_decode(json_string_value(coded), json_string_length(coded), out, NULL))
		buf_add(out, json_string_value(coded), json_string_length(coded));
}

static int print_body(const struct cli *c, const json_t *letter, const char *id)
{
	CLEANUP(buf_release) struct buf body = {0};
	json_int_t bytes = json_integer_value(json_object_get(letter, "body_bytes"));

	take_body(letter, &body);
	if (body.len == 0 && bytes > 0) {
		cli_say(
			c,
			"the body of %s (%lld bytes) does not fit into an answer; 'nats stream get DEAD %lld' "
			"has it",
			id, (long long)bytes, (long long)json_integer_value(json_object_get(letter, "seq")));
		return EXIT_FAILED;
	}
	if (body.len)
		fwrite(body.data, 1, body.len, stdout);
	return EXIT_OK;
}

static int run_show(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *request, *letter;
	int rc, code = EXIT_OK;

	(void)argc;
	if (task_id_check(argv[0], &e))
		return cli_fail(c, &e);
	request = json_pack("{s:s}", "id", argv[0]);
	rc = dead_ask(c, "get", request, &letter, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	if (cli_has(c, "body"))
		code = print_body(c, letter, argv[0]);
	else if (c->config.json)
		cli_print_json(letter);
	else
		cli_print_record(c, record_columns, ARRAY_LEN(record_columns), letter);
	json_decref(letter);
	return code;
}
