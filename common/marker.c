/*
 * Markers as keys and values, and whom they mean. It stands alone because
 * router, node and store must agree about it to the letter; without bus and
 * clock it is tested by table. Time is compared by the broker's clock alone:
 * when it stored the task, and when it stored the marker. What cannot be read
 * is refused with a sentence, and concerns nobody.
 */
#include "common/marker.h"

#include <jansson.h>
#include <stdio.h>

#include "common/clock.h"

static const char *const prefixes[] = {"task.", "group.", "move."};

static int take_text(const json_t *j, const char *key, char *out, size_t size, struct err *e)
{
	const char *text = json_string_value(json_object_get(j, key));

	if (text && strlen(text) >= size)
		return err_set(e, ERR_INVALID, "%s is too long", key);
	snprintf(out, size, "%s", text ? text : "");
	return 0;
}

static int take_token(const json_t *j, const char *key, char *out, struct err *e)
{
	int rc = take_text(j, key, out, TOKEN_MAX + 1, e);

	return rc == 0 && *out ? token_check(key, out, e) : rc;
}

static int take_group(const json_t *j, struct marker *m, struct err *e)
{
	struct lane lane;
	const char *until = json_string_value(json_object_get(j, "until"));

	if (take_token(j, "type", m->type, e) || take_text(j, "lane", m->lane, sizeof(m->lane), e) ||
		take_text(j, "project", m->project, sizeof(m->project), e))
		return ERR_INVALID;
	if (m->lane[0] && lane_parse(m->lane, &lane, e))
		return ERR_INVALID;
	if (until && time_parse(until, &m->until_wall_ns, e))
		return ERR_INVALID;
	/* A group of everything would be somebody's mistake. */
	if (!m->type[0] && !m->lane[0] && !m->project[0])
		return err_set(e, ERR_INVALID, "it names no type, lane or project");
	return 0;
}

static int take_move(const json_t *j, struct marker *m, struct err *e)
{
	if (take_token(j, "node", m->node, e) || take_token(j, "not_node", m->not_node, e))
		return ERR_INVALID;
	m->epoch = (uint32_t)json_integer_value(json_object_get(j, "epoch"));
	if (!m->node[0] && !m->not_node[0])
		return err_set(e, ERR_INVALID, "it names no node");
	return 0;
}

static int take_value(const json_t *j, struct marker *m, struct err *e)
{
	switch (m->kind) {
	case MARKER_TASK:
		m->early = json_is_true(json_object_get(j, "early"));
		return 0;
	case MARKER_GROUP:
		return take_group(j, m, e);
	case MARKER_MOVE:
		return take_move(j, m, e);
	}
	return 0;
}

static int take_key(const char *key, struct marker *m, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i]);
		if (strncmp(key, prefixes[i], len) != 0 || !task_id_ok(key + len, strlen(key + len)))
			continue;
		m->kind = (enum marker_kind)i;
		snprintf(m->id, sizeof(m->id), "%s", key + len);
		return 0;
	}
	return err_set(e, ERR_INVALID, "\"%.140s\" is no key of a marker", key);
}

int marker_parse(const char *key, const void *value, size_t len, int64_t stored_wall_ns,
				 struct marker *ret, struct err *e)
{
	struct marker m = {.stored_wall_ns = stored_wall_ns};
	json_t *j;
	int rc = take_key(key, &m, e);

	if (rc)
		return rc;
	j = json_loadb(value, len, 0, NULL);
	rc = json_is_object(j) ? take_value(j, &m, e)
						   : err_set(e, ERR_INVALID, "its value is no JSON object");
	json_decref(j);
	if (rc)
		return err_wrap(e, "marker %.140s", key);
	*ret = m;
	return 0;
}

void marker_key(const struct marker *m, char out[MARKER_KEY_MAX + 1])
{
	snprintf(out, MARKER_KEY_MAX + 1, "%s%s", prefixes[m->kind], m->id);
}

static void put_text(json_t *j, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(j, key, json_string(text));
}

void marker_value(const struct marker *m, const char *by, struct buf *out)
{
	json_t *j = json_object();
	char until[32];

	put_text(j, "type", m->type);
	put_text(j, "lane", m->lane);
	put_text(j, "project", m->project);
	put_text(j, "node", m->node);
	put_text(j, "not_node", m->not_node);
	put_text(j, "by", by);
	if (m->epoch)
		json_object_set_new(j, "epoch", json_integer(m->epoch));
	if (m->early)
		json_object_set_new(j, "early", json_true());
	if (m->until_wall_ns) {
		time_format(m->until_wall_ns, until);
		put_text(j, "until", until);
	}
	CLEANUP(free_ptr) char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	buf_add_str(out, text ? text : "{}");
}

bool marker_cancels(const struct marker *m, const struct marked_task *t)
{
	switch (m->kind) {
	case MARKER_TASK:
		return str_eq(m->id, t->id) && (!m->early || t->submitted_wall_ns <= m->stored_wall_ns);
	case MARKER_GROUP:
		return t->submitted_wall_ns <= m->stored_wall_ns &&
			   (!m->type[0] || str_eq(m->type, t->type)) &&
			   (!m->lane[0] || str_eq(m->lane, t->lane)) &&
			   (!m->project[0] || (t->project && str_eq(m->project, t->project)));
	case MARKER_MOVE:
		return false;
	}
	return false;
}

bool marker_excludes(const struct marker *m, const char *node)
{
	if (m->kind != MARKER_MOVE)
		return false;
	return m->node[0] ? !str_eq(m->node, node) : str_eq(m->not_node, node);
}
