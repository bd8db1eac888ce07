/*
 * `millrace setup`: broker and database equal to their declarations. The
 * walk stands here alone: which declarations there are (the files of
 * broker-config, embedded), in which order, and how it is told. A stream's
 * durables follow it at once, because EVENTS keeps only what somebody is
 * there to read, and TASKS comes last, so that a task is taken only when its
 * whole path is there. Lanes, which routers make as they are needed, are
 * compared with their template. Nothing is ever deleted, and running it again
 * changes nothing. Fails: what differs and cannot be changed is told and is
 * exit code 1; a broker that is away ends it.
 */
#include "cli/setup.h"

#include <stdio.h>

#include "broker-config/declared.h"
#include "cli/setup_diff.h"
#include "common/token.h"

#define LANES_PER_PAGE_MAX 256
#define LANE_PREFIX "LANE_"

json_t *setup_row(struct setup *s, const char *kind, const char *name, const char *result)
{
	json_t *row = json_pack("{s:s, s:s, s:s}", "kind", kind, "name", name, "result", result);

	json_array_append_new(s->rows, row);
	return row;
}

/* A file of this build: that it is JSON with a name was tested. Returns owned. */
static int load(const struct declared *file, json_t **ret, struct err *e)
{
	json_error_t at;
	json_t *j = json_loadb(file->text, file->len, JSON_REJECT_DUPLICATES, &at);

	if (!j)
		return err_set(e, ERR_FAILED, "declaration %s, line %d: %s", file->path, at.line, at.text);
	*ret = j;
	return 0;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static int do_consumers(struct setup *s, const char *stream, struct err *e)
{
	char folder[160];

	snprintf(folder, sizeof(folder), "consumers/%s/", stream);
	for (size_t i = 0; i < declared_count; i++) {
		json_t *declared = NULL;
		int rc;

		if (!starts(declared_files[i].path, folder))
			continue;
		rc = load(&declared_files[i], &declared, e);
		if (rc)
			return rc;
		rc = setup_consumer(s, stream, declared, e);
		json_decref(declared);
		if (rc)
			return rc;
	}
	return 0;
}

static int do_stream(struct setup *s, const char *kind, const struct declared *file, struct err *e)
{
	json_t *declared = NULL;
	int rc = load(file, &declared, e);

	if (rc)
		return rc;
	rc = setup_stream(s, kind, declared, NULL, e);
	if (rc == 0)
		rc = do_consumers(s, json_string_value(json_object_get(declared, "name")), e);
	json_decref(declared);
	return rc;
}

/* tasks: TASKS alone, or all but TASKS. */
static int do_streams(struct setup *s, bool tasks, struct err *e)
{
	static const struct {
		const char *folder, *kind;
	} folders[] = {{"streams/", "stream"}, {"kv/", "bucket"}, {"objects/", "objects"}};

	for (size_t k = 0; k < ARRAY_LEN(folders); k++) {
		for (size_t i = 0; i < declared_count; i++) {
			const char *path = declared_files[i].path;

			if (!starts(path, folders[k].folder) || str_eq(path, "streams/lane.json") ||
				str_eq(path, "streams/TASKS.json") != tasks)
				continue;
			int rc = do_stream(s, folders[k].kind, &declared_files[i], e);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int find_server(struct setup *s, struct err *e)
{
	json_t *reply = NULL;
	int rc = cli_js_api(s->cli, "INFO", NULL, &reply, NULL, e);

	if (rc == 0)
		s->server = setup_server(reply, NULL);
	json_decref(reply);
	return rc;
}

/* New streams get as many replicas as TASKS has. */
static int find_replicas(struct setup *s, struct err *e)
{
	json_t *reply = NULL;
	int rc = cli_js_api(s->cli, "STREAM.INFO.TASKS", NULL, &reply, NULL, e);

	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc == 0)
		s->tasks_replicas =
			json_integer_value(json_object_get(json_object_get(reply, "config"), "num_replicas"));
	json_decref(reply);
	return rc;
}

/* ---- lanes ---- */

static int do_lane(struct setup *s, const char *name, const json_t *subjects, struct err *e)
{
	/* A lane's limits are its operators'. */
	static const char *const keep[] = {"subjects", "description", "max_msgs", "max_bytes", NULL};
	const char *lane = name + strlen(LANE_PREFIX);
	json_t *stream = NULL, *consumer = NULL;
	int rc = load(declared_find("streams/lane.json"), &stream, e);

	if (rc == 0)
		rc = load(declared_find("consumers/lane.json"), &consumer, e);
	if (rc == 0) {
		json_object_set_new(stream, "name", json_string(name));
		json_object_set(stream, "subjects", (json_t *)subjects);
		rc = setup_stream(s, "lane", stream, keep, e);
	}
	for (int c = 0; rc == 0 && c < CLASS_COUNT; c++) {
		const char *class = task_class_name((enum task_class)c);
		CLEANUP(free_ptr) char *filter = xasprintf("work.%s.%s", lane, class);

		json_object_set_new(consumer, "name", json_string(class));
		json_object_set_new(consumer, "durable_name", json_string(class));
		json_object_set_new(consumer, "filter_subject", json_string(filter));
		rc = setup_consumer(s, name, consumer, e);
	}
	json_decref(stream);
	json_decref(consumer);
	return rc;
}

/* Hundreds of lanes are as they should be: only the others keep their rows. */
static void drop_unchanged(struct setup *s, size_t from)
{
	for (size_t i = json_array_size(s->rows); i-- > from;) {
		const json_t *row = json_array_get(s->rows, i);

		if (str_eq(json_string_value(json_object_get(row, "result")), "unchanged") && !json_object_get(row, "fields"))
			json_array_remove(s->rows, i);
	}
}

/* One page of the streams that hold lanes; *io_offset goes on, *ret_more says whether to. */
static int do_lanes_page(struct setup *s, json_int_t *io_offset, bool *ret_more, struct err *e)
{
	json_t *body = json_pack("{s:s, s:I}", "subject", "work.>", "offset", *io_offset);
	json_t *reply = NULL, *stream;
	size_t i;
	int rc = cli_js_api(s->cli, "STREAM.LIST", body, &reply, NULL, e);

	json_decref(body);
	if (rc)
		return err_wrap(e, "list of lanes");
	const json_t *list = json_object_get(reply, "streams");
	json_array_foreach((json_t *)list, i, stream)
	{
		const json_t *config = json_object_get(stream, "config");
		const char *name = json_string_value(json_object_get(config, "name"));

		if (rc == 0 && name && starts(name, LANE_PREFIX))
			rc = do_lane(s, name, json_object_get(config, "subjects"), e);
	}
	*io_offset += (json_int_t)json_array_size(list);
	*ret_more = json_array_size(list) > 0 && *io_offset < json_integer_value(json_object_get(reply, "total"));
	json_decref(reply);
	return rc;
}

static int do_lanes(struct setup *s, struct err *e)
{
	size_t from = json_array_size(s->rows);
	json_int_t offset = 0;
	bool more = true;

	while (more) {
		int rc = do_lanes_page(s, &offset, &more, e);
		if (rc)
			return rc;
	}
	drop_unchanged(s, from);
	return 0;
}

/* ---- the whole, and how it is told ---- */

int setup_broker(struct setup *s, struct err *e)
{
	int rc = cli_connect(s->cli, e);

	if (rc == 0)
		rc = find_server(s, e);
	if (rc == 0)
		rc = find_replicas(s, e);
	if (rc == 0)
		rc = do_streams(s, false, e);
	if (rc == 0)
		rc = do_lanes(s, e);
	if (rc == 0)
		rc = do_streams(s, true, e);
	return rc;
}

static void add_value(struct buf *out, const json_t *j)
{
	CLEANUP(free_ptr) char *text = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	buf_add_str(out, text ? text : "nothing");
}

static void add_field_words(struct buf *out, const json_t *f)
{
	const char *how = json_string_value(json_object_get(f, "how"));

	buf_printf(out, "%s%s: ", out->len > 0 ? "; " : "", json_string_value(json_object_get(f, "name")));
	add_value(out, json_object_get(f, "actual"));
	if (str_eq(how, "changed")) {
		buf_add_str(out, " -> ");
		add_value(out, json_object_get(f, "declared"));
		return;
	}
	buf_add_str(out, ", declared ");
	add_value(out, json_object_get(f, "declared"));
	if (str_eq(how, "fixed"))
		buf_add_str(out, " (cannot be changed on what exists)");
	else if (str_eq(how, "unknown"))
		buf_printf(out, " (this server is too old; nats-server %s has it)",
				   json_string_value(json_object_get(f, "since")));
	else if (str_eq(how, "ignored"))
		buf_add_str(out, " (this server ignored it)");
}

/* For people, the fields and the error as one text. */
static void add_words(json_t *rows)
{
	json_t *row, *f;
	size_t i, k;

	json_array_foreach(rows, i, row)
	{
		CLEANUP(buf_release) struct buf words = {0};
		const char *error = json_string_value(json_object_get(row, "error"));

		json_array_foreach(json_object_get(row, "fields"), k, f)
		{
			add_field_words(&words, f);
		}
		if (error)
			buf_printf(&words, "%s%s", words.len > 0 ? "; " : "", error);
		if (words.len > 0)
			json_object_set_new(row, "words", json_string(words.data));
	}
}

static void tell(const struct setup *s)
{
	static const struct cli_column columns[] = {
		{"KIND", "kind", CELL_TEXT},
		{"NAME", "name", CELL_TEXT},
		{"RESULT", "result", CELL_STATE},
		{"FIELDS", "words", CELL_TEXT},
	};
	const struct cli *c = s->cli;

	if (!c->config.json)
		add_words(s->rows);
	cli_print_rows(c, columns, ARRAY_LEN(columns), s->rows);
	if (s->created + s->updated + s->unchanged + s->differs == 0)
		return;
	cli_say(c, "%u %s, %u %s, %u unchanged%s", s->created, s->dry_run ? "to create" : "created", s->updated,
			s->dry_run ? "to update" : "updated", s->unchanged, s->differs > 0 ? "; see what differs above" : "");
	if (s->ignored > 0)
		cli_say(c, "this broker is too old for %u declared fields; it works without them", s->ignored);
}

int cmd_setup(struct cli *cli, int argc, char **argv)
{
	struct setup s = {.cli = cli, .dry_run = cli_has(cli, "dry-run")};
	struct err e = {0};
	int rc;

	(void)argc;
	(void)argv;
	if (cli_number(cli, "replicas", 1, 5, &s.replicas, &e))
		return cli_usage(cli, "%s", e.text);
	s.rows = json_array();
	rc = cli_has(cli, "no-broker") ? 0 : setup_broker(&s, &e);
	if (rc == 0 && !cli_has(cli, "no-database"))
		rc = setup_database(&s, &e);
	if (json_array_size(s.rows) > 0)
		tell(&s);
	json_decref(s.rows);
	if (rc)
		return cli_fail(cli, &e);
	return s.differs > 0 ? EXIT_FAILED : EXIT_OK;
}

static const struct cli_flag flags[] = {
	{"dry-run", 0, NULL, "say what would be done; change nothing"},
	{"replicas", 0, "N", "servers that keep each stream (1, 3 or 5); else what TASKS has"},
	{"no-database", 0, NULL, "the broker alone"},
	{"no-broker", 0, NULL, "the database alone"},
	{0},
};

const struct cli_command commands_setup[] = {
	{"setup", "[flags]", "make broker and database equal to their declarations; say what changed",
	 "Creates streams, consumers and buckets, updates what differs, reads everything back,\n"
	 "then runs the database's migrations. Deletes nothing; running it again changes nothing.\n"
	 "Exit code 1 where something differs that no update can change, 5 where broker or database "
	 "are away.\n\n"
	 "  millrace setup                  on one server\n"
	 "  millrace setup --replicas 3     on a cluster\n"
	 "  millrace setup --dry-run --json what would change\n",
	 flags, 0, 0, cmd_setup},
	{0},
};
