/*
 * One stream or consumer made equal to its declaration. It stands alone
 * because both go the same way: ask; where it is missing, create; where it
 * differs, update with what can be updated; read back, because an old server
 * takes what it does not know and says nothing. Goes well: a row "created",
 * "updated" or "unchanged". Fails: what the server refuses, and what cannot
 * be changed on a thing that exists, is a row "differs" with the reason and
 * the walk goes on; a broker that is away ends it. Two setups at once are
 * fine: who comes second to create finds it there and compares.
 */
#include <stdio.h>

#include "cli/setup.h"
#include "cli/setup_diff.h"

/* What stream and consumer do differently. */
struct item {
	enum setup_kind kind;
	const char *word;   /* "stream" */
	const char *name;   /* "EVENTS", "EVENTS/act" */
	char info[400], create[400], update[400];
	const char *stream; /* consumers: theirs */
	bool clustered;     /* streams: that server has peers */
};

/* ret NULL: it does not exist. */
static int ask(struct setup *s, struct item *it, json_t **ret, struct err *e)
{
	json_t *reply = NULL;
	int rc = cli_js_api(s->cli, it->info, NULL, &reply, NULL, e);

	if (rc == ERR_NOT_FOUND) {
		*ret = NULL;
		return 0;
	}
	if (rc)
		return err_wrap(e, "%s %s", it->word, it->name);
	*ret = json_incref(json_object_get(reply, "config"));
	it->clustered = json_object_get(json_object_get(reply, "cluster"), "name") != NULL;
	json_decref(reply);
	if (*ret && it->kind == SETUP_STREAM)
		s->server = MAX_OF(s->server, setup_server(NULL, *ret));
	return *ret ? 0 : err_set(e, ERR_PROTOCOL, "%s %s: an answer without a config", it->word, it->name);
}

static int request(struct setup *s, const struct item *it, const char *verb, const json_t *declared, const json_t *actual,
				struct err *e)
{
	json_t *config = setup_config(it->kind, declared, actual, s->server);
	json_t *body = config, *reply = NULL;

	if (it->kind == SETUP_CONSUMER) {
		/* The subject says the name; 2.9 wants it nowhere else. */
		json_object_del(config, "name");
		body = json_pack("{s:s, s:o}", "stream_name", it->stream, "config", config);
	}
	int rc = cli_js_api(s->cli, verb, body, &reply, NULL, e);
	json_decref(body);
	json_decref(reply);
	return rc;
}

/* A broker that is away is no property of one item. */
static bool ends_all(int rc)
{
	return rc == ERR_UNREACHABLE || rc == ERR_TIMEOUT || rc == ERR_CLOSED || rc == ERR_DENIED;
}

static const char *how_word(const struct setup_field *f, bool sent)
{
	switch (f->how) {
	case SETUP_CHANGEABLE:
		return sent ? "ignored" : "changed";
	case SETUP_FIXED:
		return "fixed";
	case SETUP_LACKING:
		return "unknown";
	}
	return "";
}

static const char *how_refused(const struct setup_field *f)
{
	return f->how == SETUP_CHANGEABLE ? "refused" : how_word(f, false);
}

static void add_field(json_t *row, const struct setup_field *f, const char *how)
{
	json_t *list = json_object_get(row, "fields");
	json_t *o = json_pack("{s:s, s:s, s:O, s:O?}", "name", f->name, "how", how, "declared", f->declared, "actual",
						  f->actual);

	if (!list) {
		list = json_array();
		json_object_set_new(row, "fields", list);
	}
	if (f->since)
		json_object_set_new(o, "since", json_sprintf("2.%u", f->since));
	json_array_append_new(list, o);
}

struct counts {
	size_t changeable, fixed, lacking;
};

static struct counts count(const struct setup_field *fields, size_t n)
{
	struct counts c = {0};

	for (size_t i = 0; i < n; i++) {
		c.changeable += fields[i].how == SETUP_CHANGEABLE;
		c.fixed += fields[i].how == SETUP_FIXED;
		c.lacking += fields[i].how == SETUP_LACKING;
	}
	return c;
}

/* After all that could be done: what is still not as declared. */
static void add_rest(struct setup *s, json_t *row, const struct setup_field *fields, size_t n, bool sent)
{
	for (size_t i = 0; i < n; i++) {
		if (fields[i].how != SETUP_CHANGEABLE || sent)
			add_field(row, &fields[i], how_word(&fields[i], sent));
	}
	s->ignored += (unsigned)(count(fields, n).lacking + (sent ? count(fields, n).changeable : 0));
	if (count(fields, n).fixed > 0) {
		json_object_set_new(row, "result", json_string("differs"));
		s->differs++;
	}
}

static void refuse(struct setup *s, json_t *row, const struct err *e)
{
	json_object_set_new(row, "result", json_string("differs"));
	json_object_set_new(row, "error", json_string(e->text));
	s->differs++;
}

static int read_back(struct setup *s, struct item *it, const json_t *declared, json_t *row, struct err *e)
{
	struct setup_field fields[SETUP_FIELDS_MAX];
	json_t *actual = NULL;
	int rc = ask(s, it, &actual, e);

	if (rc)
		return rc;
	if (!actual) {
		struct err gone;
		err_set(&gone, ERR_NOT_FOUND, "it is gone again: somebody deletes it");
		refuse(s, row, &gone);
		return 0;
	}
	add_rest(s, row, fields, setup_diff(it->kind, declared, actual, s->server, fields), true);
	json_decref(actual);
	return 0;
}

static int create(struct setup *s, struct item *it, const json_t *declared, struct err *e)
{
	int rc;

	if (s->dry_run) {
		setup_row(s, it->word, it->name, "would create");
		s->created++;
		return 0;
	}
	rc = request(s, it, it->create, declared, NULL, e);
	if (rc && (ends_all(rc) || rc == ERR_EXISTS))
		return rc;
	json_t *row = setup_row(s, it->word, it->name, "created");
	if (rc) {
		refuse(s, row, e);
		return 0;
	}
	s->created++;
	return read_back(s, it, declared, row, e);
}

static int compare(struct setup *s, struct item *it, const json_t *declared, const json_t *actual, struct err *e)
{
	struct setup_field fields[SETUP_FIELDS_MAX];
	size_t n = setup_diff(it->kind, declared, actual, s->server, fields);
	int rc;

	if (count(fields, n).changeable == 0) {
		json_t *row = setup_row(s, it->word, it->name, "unchanged");
		s->unchanged += count(fields, n).fixed == 0;
		add_rest(s, row, fields, n, false);
		return 0;
	}
	rc = s->dry_run ? 0 : request(s, it, it->update, declared, actual, e);
	if (rc && ends_all(rc))
		return rc;
	json_t *row = setup_row(s, it->word, it->name, s->dry_run ? "would update" : "updated");
	for (size_t i = 0; i < n; i++) {
		if (rc || fields[i].how == SETUP_CHANGEABLE)
			add_field(row, &fields[i], rc ? how_refused(&fields[i]) : "changed");
	}
	if (rc) {
		refuse(s, row, e);
		return 0;
	}
	s->updated++;
	if (!s->dry_run)
		return read_back(s, it, declared, row, e);
	add_rest(s, row, fields, n, false);
	return 0;
}

/* A single 2.9 takes "num_replicas": 3 without a word and keeps one. */
static bool too_many_replicas(const struct item *it, json_t *declared, const json_t *actual, struct err *e)
{
	json_int_t wanted = json_integer_value(json_object_get(declared, "num_replicas"));
	json_int_t have = json_integer_value(json_object_get(actual, "num_replicas"));

	if (it->kind != SETUP_STREAM || it->clustered || wanted <= have || wanted < 2)
		return false;
	json_object_set_new(declared, "num_replicas", json_integer(have));
	err_set(e, ERR_INVALID, "%d replicas need a cluster of servers; this broker is a single one", (int)wanted);
	return true;
}

/* declared is changed: fields to keep become what is there. */
static int make_equal(struct setup *s, struct item *it, json_t *declared, const char *const *keep,
					  int64_t new_replicas, struct err *e)
{
	json_t *actual = NULL;
	int rc = ask(s, it, &actual, e);

	if (rc)
		return rc;
	if (!actual) {
		if (new_replicas > 0)
			json_object_set_new(declared, "num_replicas", json_integer(new_replicas));
		rc = create(s, it, declared, e);
		if (rc != ERR_EXISTS)
			return rc;
		rc = ask(s, it, &actual, e);
		if (rc || !actual)
			return rc ? rc : err_set(e, ERR_CONFLICT, "%s %s exists and does not", it->word, it->name);
	}
	for (; keep && *keep; keep++) {
		if (json_object_get(actual, *keep))
			json_object_set(declared, *keep, json_object_get(actual, *keep));
	}
	struct err alone;
	bool too_many = too_many_replicas(it, declared, actual, &alone);
	rc = compare(s, it, declared, actual, e);
	if (rc == 0 && too_many)
		refuse(s, json_array_get(s->rows, json_array_size(s->rows) - 1), &alone);
	json_decref(actual);
	return rc;
}

int setup_stream(struct setup *s, const char *kind, const json_t *declared, const char *const *keep, struct err *e)
{
	static const char *const keep_replicas[] = {"num_replicas", NULL};
	const char *kept[8] = {NULL};
	size_t n = 0;
	struct item it = {.kind = SETUP_STREAM, .word = kind, .name = json_string_value(json_object_get(declared, "name"))};
	json_t *wanted = json_deep_copy(declared);

	snprintf(it.info, sizeof(it.info), "STREAM.INFO.%s", it.name);
	snprintf(it.create, sizeof(it.create), "STREAM.CREATE.%s", it.name);
	snprintf(it.update, sizeof(it.update), "STREAM.UPDATE.%s", it.name);
	for (; keep && keep[n] && n + 2 < ARRAY_LEN(kept); n++)
		kept[n] = keep[n];
	if (s->replicas > 0)
		json_object_set_new(wanted, "num_replicas", json_integer(s->replicas));
	else
		kept[n] = keep_replicas[0];
	int rc = make_equal(s, &it, wanted, kept, s->replicas > 0 ? s->replicas : s->tasks_replicas, e);
	json_decref(wanted);
	return rc;
}

int setup_consumer(struct setup *s, const char *stream, const json_t *declared, struct err *e)
{
	const char *name = json_string_value(json_object_get(declared, "durable_name"));
	CLEANUP(free_ptr) char *full = xasprintf("%s/%s", stream, name);
	struct item it = {.kind = SETUP_CONSUMER, .word = "consumer", .name = full, .stream = stream};
	json_t *wanted = json_deep_copy(declared);

	snprintf(it.info, sizeof(it.info), "CONSUMER.INFO.%s.%s", stream, name);
	/* The form that all versions have; it updates too. */
	snprintf(it.create, sizeof(it.create), "CONSUMER.DURABLE.CREATE.%s.%s", stream, name);
	memcpy(it.update, it.create, sizeof(it.update));
	int rc = make_equal(s, &it, wanted, NULL, 0, e);
	json_decref(wanted);
	return rc;
}
