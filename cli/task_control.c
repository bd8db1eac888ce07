/*
 * `millrace task cancel`, `reassign` and `retry`: what is done to tasks by
 * hand. It stands alone beside the reader of tasks, as the asker of
 * api.task.cancel, .reassign and .retry.
 *
 * Goes well: the store answers what it found and did. Fails: no such task (3),
 * one that has ended, or for a retry has not (1), more than --max match (1),
 * no store (5). A task that runs is ended by its node: "ending" is the answer,
 * and `task get` tells the end.
 */
#include "cli/task_control.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/confirm.h"
#include "cli/submit.h"
#include "cli/task.h"
#include "common/token.h"

#define IDS_AT_ONCE 1000
#define MAX_DEFAULT 10000
#define MAX_MOST 1000000000

const struct cli_flag task_cancel_flags[] = {
	{"type", 't', "T", "all of this type that have not ended"},
	{"lane", 0, "L", "all of this lane"},
	{"project", 0, "P", "all of this project"},
	{"max", 0, "N", "refuse where more match (10000; 0: no bound)"},
	{"yes", 'y', NULL, "do not ask"},
	{0},
};
const struct cli_flag task_reassign_flags[] = {
	{"node", 0, "N", "to this node and no other"},
	{"not-node", 0, "N", "to any but this one (the one that runs it)"},
	{0},
};
const struct cli_flag task_retry_flags[] = {
	{"wait", 0, "[=D]", "wait for the result (at most D) and print it"},
	{0},
};

static json_t *request_new(void)
{
	char by[BY_MAX];

	cli_by(by);
	return json_pack("{s:s}", "by", by);
}

/* ---- cancel ---- */

static int code_of(const char *what)
{
	if (str_eq(what, "unknown"))
		return EXIT_NOT_FOUND;
	return str_eq(what, "final") ? EXIT_FAILED : EXIT_OK;
}

static void print_one(const struct cli *c, const json_t *task)
{
	const char *what = task_text(task, "what");

	if (c->config.json)
		cli_print_json(task);
	else if (str_eq(what, "final"))
		printf("%s\tis %s already\n", task_text(task, "id"), task_text(task, "state"));
	else
		printf("%s\t%s\n", task_text(task, "id"), what);
}

static int cancel_page(struct cli *c, int n, char **ids, int *io_code)
{
	json_t *request = request_new(), *reply = NULL, *task;
	struct err e = {0};
	size_t i;

	if (n == 1) {
		json_object_set_new(request, "id", json_string(ids[0]));
	} else {
		json_t *list = json_array();
		for (int k = 0; k < n; k++)
			json_array_append_new(list, json_string(ids[k]));
		json_object_set_new(request, "ids", list);
	}
	int rc = cli_call(c, "api.task.cancel", request, &reply, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	json_array_foreach (json_object_get(reply, "tasks"), i, task) {
		print_one(c, task);
		*io_code = *io_code ? *io_code : code_of(task_text(task, "what"));
	}
	json_decref(reply);
	return EXIT_OK;
}

static int cancel_ids(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	int code = EXIT_OK;

	for (int i = 0; i < argc; i++) {
		if (task_id_check(argv[i], &e))
			return cli_fail(c, &e);
	}
	for (int i = 0; i < argc; i += IDS_AT_ONCE) {
		int failed = cancel_page(c, MIN_OF(argc - i, IDS_AT_ONCE), argv + i, &code);
		if (failed)
			return failed;
	}
	return code;
}

static json_t *group_request(const struct cli *c)
{
	static const char *const filters[] = {"type", "lane", "project"};
	json_t *request = request_new();

	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		if (cli_value(c, filters[i]))
			json_object_set_new(request, filters[i], json_string(cli_value(c, filters[i])));
	}
	return request;
}

/* How many there are, first: that is what is confirmed. */
static int count(struct cli *c, json_t *request, int64_t *ret, struct err *e)
{
	json_t *reply;

	json_object_set_new(request, "dry", json_true());
	int rc = cli_call(c, "api.task.cancel", request, &reply, e);
	json_object_del(request, "dry");
	if (rc)
		return rc;
	*ret = json_integer_value(json_object_get(reply, "matched"));
	json_decref(reply);
	return 0;
}

static int cancel_counted(struct cli *c, json_t *request, int64_t n, int64_t max)
{
	CLEANUP(free_ptr) char *what = xasprintf("cancel %" PRId64 " task%s", n, n == 1 ? "" : "s");
	struct err e = {0};
	json_t *reply;
	int code;

	if (max && n > max) {
		err_set(&e, ERR_CONFLICT, "%" PRId64 " tasks match; --max %" PRId64 " would allow it", n,
				n);
		return cli_fail(c, &e);
	}
	if ((code = cli_confirm(c, what, "cancel")))
		return code;
	json_object_set_new(request, "max", json_integer(max));
	if (cli_call(c, "api.task.cancel", request, &reply, &e))
		return cli_fail(c, &e);
	if (c->config.json)
		cli_print_json(reply);
	else
		cli_say(c,
				"%" JSON_INTEGER_FORMAT " tasks are being cancelled: what waits at once, what "
				"runs is ended by its node",
				json_integer_value(json_object_get(reply, "matched")));
	json_decref(reply);
	return EXIT_OK;
}

static int cancel_group(struct cli *c)
{
	int64_t max = MAX_DEFAULT, n = 0;
	struct err e = {0};

	if (task_filters_check(c, &e) || cli_number(c, "max", 0, MAX_MOST, &max, &e))
		return cli_fail(c, &e);
	json_t *request = group_request(c);
	int code = count(c, request, &n, &e) ? cli_fail(c, &e) : cancel_counted(c, request, n, max);
	json_decref(request);
	return code;
}

int run_task_cancel(struct cli *c, int argc, char **argv)
{
	bool group = cli_has(c, "type") || cli_has(c, "lane") || cli_has(c, "project");

	if (group == (argc > 0))
		return cli_usage(c, group ? "ids, and --type, --lane or --project, exclude each other"
								  : "which? give ids, or --type, --lane or --project");
	return group ? cancel_group(c) : cancel_ids(c, argc, argv);
}

/* ---- reassign ---- */

int run_task_reassign(struct cli *c, int argc, char **argv)
{
	const char *node = cli_value(c, "node"), *not_node = cli_value(c, "not-node");
	struct err e = {0};
	json_t *reply;

	(void)argc;
	if (node && not_node)
		return cli_usage(c, "--node and --not-node exclude each other");
	if (task_id_check(argv[0], &e) || (node && token_check("--node", node, &e)) ||
		(not_node && token_check("--not-node", not_node, &e)))
		return cli_fail(c, &e);
	json_t *request = request_new();
	json_object_set_new(request, "id", json_string(argv[0]));
	if (node)
		json_object_set_new(request, "node", json_string(node));
	if (not_node)
		json_object_set_new(request, "not_node", json_string(not_node));
	int rc = cli_call(c, "api.task.reassign", request, &reply, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	if (c->config.json)
		cli_print_json(reply);
	else
		cli_say(c, "task %s was %s; it goes to %s%s", argv[0], task_text(reply, "state"),
				task_text(reply, "node")[0] ? "node " : "a node other than ",
				task_text(reply, "node")[0] ? task_text(reply, "node")
											: task_text(reply, "not_node"));
	json_decref(reply);
	return EXIT_OK;
}

/* ---- retry ---- */

static int wait_for(struct cli *c, const char *id)
{
	int64_t wait_ns = -NS_PER_MS; /* for ever */
	struct waiter *w = NULL;
	struct err e = {0};
	json_t *old = NULL;

	/* Its type is the first one's; the result may be there by now, and then the store has it. */
	if (cli_duration(c, "wait", &wait_ns, &e) || task_fetch(c, id, &old, &e)) {
		if (e.code != ERR_NOT_FOUND)
			return cli_fail(c, &e);
	}
	const char *type = old ? task_text(old, "type") : "";
	int code = waiter_open(c, token_ok(type, strlen(type)) ? type : "_none", id, &w, &e)
				   ? cli_fail(c, &e)
				   : waiter_finish(w, wait_ns / NS_PER_MS);
	waiter_close(&w);
	json_decref(old);
	return code;
}

int run_task_retry(struct cli *c, int argc, char **argv)
{
	struct err e = {0};
	json_t *reply;
	char id[TASK_ID_MAX + 1];

	(void)argc;
	if (task_id_check(argv[0], &e))
		return cli_fail(c, &e);
	json_t *request = request_new();
	json_object_set_new(request, "id", json_string(argv[0]));
	int rc = cli_call(c, "api.task.retry", request, &reply, &e);
	json_decref(request);
	if (rc)
		return cli_fail(c, &e);
	snprintf(id, sizeof(id), "%s", task_text(reply, "id"));
	if (json_is_true(json_object_get(reply, "again")))
		cli_say(c, "it is being retried already, as %s", id);
	if (c->config.json && !cli_has(c, "wait"))
		cli_print_json(reply);
	else if (!cli_has(c, "wait"))
		printf("%s\n", id);
	json_decref(reply);
	return cli_has(c, "wait") ? wait_for(c, id) : EXIT_OK;
}
