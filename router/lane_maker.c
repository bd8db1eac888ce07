/*
 * Making a lane. It stands alone because it is a small story of its own:
 *
 *   STREAM.CREATE ─▶ three CONSUMER.CREATE at once ─▶ the key in `lanes` ─▶ made
 *
 * Any number of routers may tell it at once: to create what is there already
 * in the same shape is no error, and what is there in another shape (made by
 * another version, limited by an operator) is used as it is, once the broker
 * confirms that it exists. The key is put last, so that a lane that is in the
 * bucket has its consumers. The first failure ends the story; what was made
 * until then is found there the next time.
 */
#include "router/lane_maker.h"

#include <stdio.h>

#include "broker-config/declared.h"
#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"

struct lane_templates {
	json_t *stream, *consumer;
};

struct maker {
	struct bus *bus;
	const struct lane_templates *templates;
	struct lane lane;
	on_lane_made on_made;
	void *data;
	unsigned left; /* answers that are still to come */
	struct err failed;
};

struct consumer_step {
	struct maker *maker;
	enum task_class class;
};

static int load(const char *path, json_t **ret, struct err *e)
{
	const struct declared *d = declared_find(path);
	json_error_t je;

	if (!d)
		return err_set(e, ERR_NOT_FOUND, "%s was not built into this program", path);
	*ret = json_loadb(d->text, d->len, 0, &je);
	if (!*ret)
		return err_set(e, ERR_INVALID, "%s: line %d: %s", path, je.line, je.text);
	return 0;
}

int lane_templates_new(struct lane_templates **ret, struct err *e)
{
	struct lane_templates *t = xcalloc(1, sizeof(*t));
	int rc = load("streams/lane.json", &t->stream, e);

	if (rc == 0)
		rc = load("consumers/lane.json", &t->consumer, e);
	if (rc) {
		lane_templates_free(&t);
		return rc;
	}
	*ret = t;
	return 0;
}

void lane_templates_free(struct lane_templates **pt)
{
	struct lane_templates *t = TAKE(*pt);

	if (!t)
		return;
	json_decref(t->stream);
	json_decref(t->consumer);
	free(t);
}

uint64_t lane_templates_limit(const struct lane_templates *t)
{
	return (uint64_t)json_integer_value(json_object_get(t->stream, "max_msgs"));
}

void lane_templates_replicas(struct lane_templates *t, int64_t n)
{
	json_object_set_new(t->stream, "num_replicas", json_integer(n));
}

static json_t *stream_config(const struct lane_templates *t, const struct lane *lane,
							 uint64_t limit)
{
	json_t *j = json_deep_copy(t->stream);

	json_object_set_new(j, "name", json_sprintf("LANE_%s", lane->name));
	json_object_set_new(j, "subjects", json_pack("[o]", json_sprintf("work.%s.>", lane->name)));
	if (limit)
		json_object_set_new(j, "max_msgs",
							json_integer((json_int_t)MIN_OF(limit, (uint64_t)INT64_MAX)));
	return j;
}

/* ---- the end ---- */

static void finish(struct maker *m)
{
	m->on_made(m->data, m->failed.code ? &m->failed : NULL);
	free(m);
}

static void fail(struct maker *m, const struct err *e)
{
	if (!m->failed.code)
		m->failed = *e;
}

/* ---- the key ---- */

static void on_key(void *data, uint64_t revision UNUSED, const struct err *e)
{
	struct maker *m = data;

	if (e) {
		fail(m, e);
		err_wrap(&m->failed, "key in bucket lanes");
	}
	finish(m);
}

static void put_key(struct maker *m)
{
	char now[32];
	struct err e;
	json_t *requires = json_array();

	time_format(clock_wall_ns(), now);
	for (unsigned i = 0; i < m->lane.capabilities; i++)
		json_array_append_new(requires, json_string(m->lane.capability[i]));
	json_t *j = json_pack("{s:s, s:s, s:o, s:s}", "name", m->lane.name, "type", m->lane.type,
						  "requires", requires, "created_at", now);
	CLEANUP(free_ptr) char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (kv_put(m->bus, "lanes", m->lane.name, text, strlen(text), KV_ANY_REVISION, on_key, m, &e)) {
		fail(m, &e);
		finish(m);
	}
}

/* ---- the consumers ---- */

static void consumer_settled(struct maker *m)
{
	if (--m->left > 0)
		return;
	if (m->failed.code)
		finish(m);
	else
		put_key(m);
}

static void on_consumer_info(void *data, const json_t *reply UNUSED, int server_code UNUSED,
							 const struct err *e)
{
	struct consumer_step *s = data;

	if (e)
		fail(s->maker, e);
	consumer_settled(s->maker);
	free(s);
}

static void on_consumer(void *data, const json_t *reply UNUSED, int server_code,
						const struct err *e)
{
	struct consumer_step *s = data;
	struct maker *m = s->maker;
	struct err why;

	if (e && server_code) {
		/* Refused: perhaps because it is there in another shape. */
		CLEANUP(free_ptr)
		char *verb = xasprintf("CONSUMER.INFO.LANE_%s.%s", m->lane.name, task_class_name(s->class));
		if (js_api(m->bus, verb, NULL, on_consumer_info, s, &why) == 0)
			return;
	}
	if (e)
		fail(m, e);
	consumer_settled(m);
	free(s);
}

static void create_consumer(struct maker *m, enum task_class class)
{
	const char *name = task_class_name(class);
	struct consumer_step *s = xmalloc(sizeof(*s));
	struct err e;
	json_t *config = json_deep_copy(m->templates->consumer);

	*s = (struct consumer_step){m, class};
	json_object_set_new(config, "name", json_string(name));
	json_object_set_new(config, "durable_name", json_string(name));
	json_object_set_new(config, "filter_subject", json_sprintf("work.%s.%s", m->lane.name, name));
	json_t *body = json_pack("{s:o, s:o}", "stream_name", json_sprintf("LANE_%s", m->lane.name),
							 "config", config);
	CLEANUP(free_ptr)
	char *verb = xasprintf("CONSUMER.DURABLE.CREATE.LANE_%s.%s", m->lane.name, name);
	int rc = js_api(m->bus, verb, body, on_consumer, s, &e);
	json_decref(body);
	if (rc) {
		fail(m, &e);
		m->left--;
		free(s);
	}
}

static void create_consumers(struct maker *m)
{
	m->left = CLASS_COUNT;
	for (int c = 0; c < CLASS_COUNT; c++)
		create_consumer(m, (enum task_class)c);
	if (m->left == 0)
		finish(m);
}

/* ---- the stream ---- */

static void on_stream(void *data, const json_t *reply UNUSED, int server_code, const struct err *e)
{
	struct maker *m = data;

	if (e && server_code != JS_ERR_STREAM_EXISTS) {
		fail(m, e);
		finish(m);
		return;
	}
	create_consumers(m);
}

int lane_maker_start(struct bus *bus, const struct lane_templates *t, const struct lane *lane,
					 uint64_t limit, on_lane_made on_made, void *data, struct err *e)
{
	struct maker *m = xcalloc(1, sizeof(*m));
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.CREATE.LANE_%s", lane->name);
	json_t *body = stream_config(t, lane, limit);
	int rc;

	*m =
		(struct maker){.bus = bus, .templates = t, .lane = *lane, .on_made = on_made, .data = data};
	rc = js_api(bus, verb, body, on_stream, m, e);
	json_decref(body);
	if (rc)
		free(m);
	return rc;
}
