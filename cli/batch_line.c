/*
 * One line of `submit --batch`. It stands alone because it is pure and is fed
 * by strangers: a line is JSON or a sentence that says why it is not a task.
 * What only the router can know (its default type, keys of a newer version)
 * is left to the router.
 */
#include <jansson.h>
#include <stdio.h>

#include "cli/draft.h"
#include "common/buf.h"
#include "common/task.h"

/* The spellings that the router takes, nearest to our own first. */
static const char *const type_keys[] = {"type", "task_type", "taskType", NULL};
static const char *const id_keys[] = {"id", "task_id", "taskId", NULL};
static const char *const requires_keys[] = {"requires", "requiredCapabilities",
											"required_capabilities", NULL};

static const json_t *first_of(const json_t *spec, const char *const *keys)
{
	for (; *keys; keys++) {
		const json_t *v = json_object_get(spec, *keys);

		if (v && !json_is_null(v))
			return v;
	}
	return NULL;
}

static int text_of(const json_t *v, const char *what, const char **ret, struct err *e)
{
	*ret = NULL;
	if (!v)
		return 0;
	if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
		return err_set(e, ERR_INVALID, "%s is not a text", what);
	*ret = json_string_value(v);
	return 0;
}

static int check_priority(const json_t *v, struct err *e)
{
	enum task_class class;
	char number[24];

	if (!v || json_is_null(v))
		return 0;
	if (json_is_string(v))
		return task_priority_parse(json_string_value(v), &class, e);
	if (!json_is_integer(v))
		return err_set(e, ERR_INVALID, "priority is none of high, normal, low, 0 to 9");
	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
	return task_priority_parse(number, &class, e);
}

/* Capabilities as an array of texts, or as one text with commas. */
static int check_requires(const char *type, const json_t *v, struct err *e)
{
	CLEANUP(buf_release) struct buf list = {0};
	struct lane lane;
	json_t *item;
	size_t i;

	if (json_is_string(v))
		return lane_make(type, json_string_value(v), &lane, e);
	if (!json_is_array(v))
		return err_set(e, ERR_INVALID, "requires is no list of capabilities");
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item))
			return err_set(e, ERR_INVALID, "requires is no list of capabilities");
		buf_printf(&list, "%s%s", i ? "," : "", json_string_value(item));
	}
	return lane_make(type, list.data ? list.data : "", &lane, e);
}

static int check(const json_t *spec, const char *type, struct err *e)
{
	static const char *const numbers[] = {"timeout_ms", "timeoutMs", "delay_ms", "delayMs"};
	const json_t *requires = first_of(spec, requires_keys);

	if (type && token_check("type", type, e))
		return ERR_INVALID;
	if (check_priority(json_object_get(spec, "priority"), e))
		return ERR_INVALID;
	if (requires && check_requires(type ? type : "any", requires, e))
		return ERR_INVALID;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const json_t *v = json_object_get(spec, numbers[i]);
		if (v && !json_is_null(v) && (!json_is_number(v) || json_number_value(v) < 0))
			return err_set(e, ERR_INVALID, "%s is no number of milliseconds", numbers[i]);
	}
	return 0;
}

static int read_spec(json_t *spec, const char *default_type, struct batch_line *ret, struct err *e)
{
	const char *type;
	const char *id;

	if (text_of(first_of(spec, type_keys), "type", &type, e) ||
		text_of(first_of(spec, id_keys), "id", &id, e))
		return ERR_INVALID;
	if (check(spec, type ? type : default_type, e) || (id && task_id_check(id, e)))
		return ERR_INVALID;
	snprintf(ret->id, sizeof(ret->id), "%s", id ? id : "");
	ret->text = NULL;
	if (!type && default_type) {
		json_object_set_new(spec, "type", json_string(default_type));
		ret->text = json_dumps(spec, JSON_COMPACT);
	}
	return 0;
}

int batch_line_read(const char *line, size_t len, const char *default_type, struct batch_line *ret,
					struct err *e)
{
	json_error_t at;
	json_t *spec = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
	int rc;

	if (!spec)
		return err_set(e, ERR_INVALID, "no JSON: %s (column %d)", at.text, at.column);
	if (!json_is_object(spec))
		rc = err_set(e, ERR_INVALID, "no JSON object");
	else
		rc = read_spec(spec, default_type, ret, e);
	json_decref(spec);
	return rc;
}
