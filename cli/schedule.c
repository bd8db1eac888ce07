/*
 * `millrace schedule …`: what is submitted at set times. It stands alone as
 * the asker of api.schedule.*. Goes well: a router answers, and the bucket
 * `schedules` holds the entry. Fails: an expression, a zone or a header that
 * the router refuses (2), no such schedule (3), a name that is taken (1), no
 * router (5).
 */
#include <jansson.h>
#include <stdio.h>

#include "cli/submit.h"
#include "common/base64.h"

static int run_add(struct cli *c, int argc, char **argv);
static int run_list(struct cli *c, int argc, char **argv);
static int run_show(struct cli *c, int argc, char **argv);
static int run_next(struct cli *c, int argc, char **argv);
static int run_remove(struct cli *c, int argc, char **argv);
static int run_pause(struct cli *c, int argc, char **argv);
static int run_resume(struct cli *c, int argc, char **argv);
static int run_run(struct cli *c, int argc, char **argv);

static const struct cli_flag add_flags[] = {
	{"cron", 'c', "E",
	 "when: 'minute hour day month weekday', seconds first where six, @every 90s"},
	{"tz", 0, "ZONE", "time zone of the tz database, such as Europe/Berlin (UTC)"},
	{"catch-up", 0, "P", "of ticks that were missed: none, last or all (none)"},
	{"paused", 0, NULL, "it does not tick until 'schedule resume'"},
	{"replace", 0, NULL, "a schedule of that name may be there; this one counts from now"},
	{"data", 'd', "S", "the body"},
	{"file", 'f', "F", "read the body from a file; '-' or a bare - as the last word: from stdin"},
	{"priority", 'p', "P", "high, normal, low, or 0 to 9 (9 is the highest)"},
	{"requires", 0, "A,B", "capabilities that a node must have"},
	{"timeout", 0, "D", "longest run of one attempt (300s)"},
	{"attempts", 0, "N", "attempts in all, the first included (4)"},
	{"backoff", 0, "B", "wait before a retry: BASE[,FACTOR[,MAX]], such as 1s,2,60s"},
	{"delay", 0, "D", "not before this time has passed since the tick"},
	{"expires", 0, "D", "not begun later than this after the tick: dead instead"},
	{"project", 0, "S", "a word to find its tasks by"},
	{"header", 'H', "K:V", "a header for the handler; may be repeated"},
	{0},
};

static const struct cli_flag next_flags[] = {
	{"cron", 'c', "E", "the expression"},
	{"tz", 0, "ZONE", "time zone of the tz database (UTC)"},
	{"after", 0, "T", "from this moment on (now)"},
	{"count", 0, "N", "how many (5)"},
	{0},
};

const struct cli_command commands_schedule[] = {
	{"schedule add", "NAME --cron E TYPE [--data S|--file F|-] [flags]",
	 "submit a task at set times",
	 "Each tick is one task, NAME.<tick in UTC>, however many routers run.\n"
	 "Where clocks change, '30 2 * * *' comes once a day all the same; '30 * * * *' comes each "
	 "hour.\n"
	 "examples:\n"
	 "  millrace schedule add nightly --cron '30 2 * * *' --tz Europe/Berlin report -d all\n"
	 "  millrace schedule add poll --cron '@every 90s' fetch -d https://example.org\n"
	 "  millrace schedule add pay --cron '0 9 * * mon-fri' --catch-up all payroll -p high\n"
	 "  nats kv watch schedules                               what they look like inside\n",
	 add_flags, 2, 3, run_add},
	{"schedule list", "", "schedules, with their last and next tick", NULL, NULL, 0, 0, run_list},
	{"schedule show", "NAME", "one schedule, with its next ticks", NULL, NULL, 1, 1, run_show},
	{"schedule next", "--cron E [--tz ZONE]", "what an expression would do",
	 "examples:\n"
	 "  millrace schedule next --cron '0 9 * * mon-fri' --tz America/New_York\n"
	 "  millrace schedule next --cron '30 2 * * *' --tz Europe/Berlin --after "
	 "2027-03-27T00:00:00Z\n",
	 next_flags, 0, 0, run_next},
	{"schedule remove", "NAME", "no more ticks; tasks that are under way go on", NULL, NULL, 1, 1,
	 run_remove},
	{"schedule pause", "NAME", "no ticks until 'schedule resume'", NULL, NULL, 1, 1, run_pause},
	{"schedule resume", "NAME", "tick again; what the pause left out is not made up for", NULL,
	 NULL, 1, 1, run_resume},
	{"schedule run", "NAME", "submit its task now, beside its ticks; prints the id", NULL, NULL, 1,
	 1, run_run},
	{0},
};

static const struct cli_column list_columns[] = {
	{"NAME", "name", CELL_TEXT},
	{"CRON", "cron", CELL_TEXT},
	{"TZ", "tz", CELL_TEXT},
	{"TYPE", "type", CELL_TEXT},
	{"CATCH-UP", "catch_up", CELL_TEXT},
	{"PAUSED", "paused", CELL_TEXT},
	{"TICKS", "ticks", CELL_NUMBER},
	{"LAST", "last_tick_at", CELL_AGE},
	{"NEXT", "next_tick_at", CELL_TEXT},
	{"ERROR", "error", CELL_LONG},
};

static const struct cli_column record_columns[] = {
	{"name", "name", CELL_TEXT},           {"cron", "cron", CELL_TEXT},
	{"time zone", "tz", CELL_TEXT},        {"catch up", "catch_up", CELL_TEXT},
	{"type", "type", CELL_TEXT},           {"headers", "headers", CELL_TEXT},
	{"body", "body", CELL_LONG},           {"body (base64)", "body_base64", CELL_LONG},
	{"paused", "paused", CELL_TEXT},       {"created", "created_at", CELL_AGE},
	{"ticks", "ticks", CELL_NUMBER},       {"last tick", "last_tick_at", CELL_AGE},
	{"last task", "last_task", CELL_TEXT}, {"next tick", "next_tick_at", CELL_TEXT},
	{"error", "error", CELL_TEXT},
};

/* ---- add ---- */

static void set_text(json_t *j, const char *key, const char *value)
{
	if (value)
		json_object_set_new(j, key, json_string(value));
}

static void set_body(json_t *j, const struct buf *body)
{
	if (utf8_ok(body->data, body->len)) {
		json_object_set_new(j, "body", json_stringn(body->data ? body->data : "", body->len));
		return;
	}
	CLEANUP(buf_release) struct buf text = {0};
	base64_encode(body->data, body->len, &text);
	json_object_set_new(j, "body_base64", json_stringn(text.data, text.len));
}

static json_t *make_request(const struct cli *c, const char *name, const struct draft *d,
							const struct buf *body)
{
	json_t *j = json_pack("{s:s, s:s, s:b, s:b}", "name", name, "type", d->type, "paused",
						  cli_has(c, "paused"), "replace", cli_has(c, "replace"));
	json_t *headers = json_object();

	for (size_t i = 0; i < d->nheaders; i++)
		json_object_set_new(headers, d->headers[i].name, json_string(d->headers[i].value));
	json_object_set_new(j, "headers", headers);
	set_text(j, "cron", cli_value(c, "cron"));
	set_text(j, "tz", cli_value(c, "tz"));
	set_text(j, "catch_up", cli_value(c, "catch-up"));
	if (body->len)
		set_body(j, body);
	return j;
}

static int ask(struct cli *c, const char *subject, json_t *request, json_t **ret)
{
	struct err e = {0};
	int rc = cli_call(c, subject, request, ret, &e);

	json_decref(request);
	return rc ? cli_fail(c, &e) : EXIT_OK;
}

/* The order of NAME and TYPE is as written; TYPE may be followed by "-". */
static int run_add(struct cli *c, int argc, char **argv)
{
	CLEANUP(buf_release) struct buf body = {0};
	struct draft d = {0};
	struct err e = {0};
	json_t *answer = NULL;
	int code;

	if (!cli_value(c, "cron"))
		return cli_usage(c, "when? Give it by --cron");
	if (token_check("name", argv[0], &e) || draft_type(&d, argv[1], &e) ||
		submit_headers(c, &d, &e) || submit_body(c, argc - 1, argv + 1, &body, &e)) {
		draft_release(&d);
		return cli_fail(c, &e);
	}
	code = ask(c, "api.schedule.add", make_request(c, argv[0], &d, &body), &answer);
	draft_release(&d);
	if (code)
		return code;
	if (c->config.json) {
		cli_print_json(answer);
	} else {
		const char *next = json_string_value(json_object_get(answer, "next_tick_at"));
		cli_say(c, "schedule %s: %s%s", argv[0], next ? "next at " : "paused", next ? next : "");
	}
	json_decref(answer);
	return EXIT_OK;
}

/* ---- the others ---- */

static int run_list(struct cli *c, int argc UNUSED, char **argv UNUSED)
{
	json_t *page = NULL;
	int code = ask(c, "api.schedule.list", NULL, &page);

	if (code)
		return code;
	cli_print_limited(c, list_columns, ARRAY_LEN(list_columns), json_object_get(page, "schedules"));
	json_decref(page);
	return EXIT_OK;
}

static int print_ticks(const struct cli *c, const json_t *answer, const char *before)
{
	size_t i;
	json_t *tick;

	json_array_foreach (json_object_get(answer, "ticks_at"), i, tick) {
		if (c->config.json)
			cli_print_json(tick);
		else
			printf("%s%s\n", before, json_string_value(tick));
	}
	return EXIT_OK;
}

static int run_show(struct cli *c, int argc UNUSED, char **argv)
{
	json_t *schedule = NULL, *ticks = NULL;
	int code = ask(c, "api.schedule.get", json_pack("{s:s}", "name", argv[0]), &schedule);

	if (code)
		return code;
	cli_print_record(c, record_columns, ARRAY_LEN(record_columns), schedule);
	const char *next = json_string_value(json_object_get(schedule, "next_tick_at"));
	const char *cron = json_string_value(json_object_get(schedule, "cron"));
	const char *tz = json_string_value(json_object_get(schedule, "tz"));
	if (next && !c->config.json && strncmp(cron, "@every", 6) != 0 &&
		ask(c, "api.schedule.next",
			json_pack("{s:s, s:s, s:s, s:i}", "cron", cron, "tz", tz ? tz : "", "after_at", next,
					  "count", 4),
			&ticks) == EXIT_OK)
		print_ticks(c, ticks, "           then  ");
	json_decref(ticks);
	json_decref(schedule);
	return EXIT_OK;
}

static int run_next(struct cli *c, int argc UNUSED, char **argv UNUSED)
{
	json_t *request = json_object(), *answer = NULL;
	int64_t count = 0;
	struct err e = {0};
	int code;

	set_text(request, "cron", cli_value(c, "cron"));
	set_text(request, "tz", cli_value(c, "tz"));
	set_text(request, "after_at", cli_value(c, "after"));
	if (!cli_value(c, "cron") || cli_number(c, "count", 1, 1000, &count, &e)) {
		json_decref(request);
		return e.code ? cli_fail(c, &e) : cli_usage(c, "which expression? Give it by --cron");
	}
	if (count)
		json_object_set_new(request, "count", json_integer(count));
	code = ask(c, "api.schedule.next", request, &answer);
	if (code)
		return code;
	code = print_ticks(c, answer, "");
	json_decref(answer);
	return code;
}

static int order(struct cli *c, const char *subject, const char *name, const char *done)
{
	json_t *answer = NULL;
	int code = ask(c, subject, json_pack("{s:s}", "name", name), &answer);

	if (code)
		return code;
	if (c->config.json)
		cli_print_json(answer);
	else
		cli_say(c, "schedule %s %s", name, done);
	json_decref(answer);
	return EXIT_OK;
}

static int run_remove(struct cli *c, int argc UNUSED, char **argv)
{
	return order(c, "api.schedule.remove", argv[0], "removed");
}

static int run_pause(struct cli *c, int argc UNUSED, char **argv)
{
	return order(c, "api.schedule.pause", argv[0], "paused");
}

static int run_resume(struct cli *c, int argc UNUSED, char **argv)
{
	return order(c, "api.schedule.resume", argv[0], "resumed");
}

static int run_run(struct cli *c, int argc UNUSED, char **argv)
{
	json_t *answer = NULL;
	int code = ask(c, "api.schedule.run", json_pack("{s:s}", "name", argv[0]), &answer);

	if (code)
		return code;
	if (c->config.json)
		cli_print_json(answer);
	else
		printf("%s\n", json_string_value(json_object_get(answer, "id")));
	json_decref(answer);
	return EXIT_OK;
}
