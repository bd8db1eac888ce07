/*
 * A task as JSON, in the spellings that people and other systems use for it,
 * and as a structured CloudEvent. Each key is one row of a table: its name and
 * what is made of it. null is the same as absent; keys that mean nothing here
 * are left alone, so that a submitter may be newer than the router. The body
 * is `payload` or `text` as such where it is a string, else its JSON exactly
 * as written; with `inputs` it is the whole spec.
 */
#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/task.h"
#include "common/json_slice.h"
#include "common/spec.h"

#define META_MAX_BYTES 8192u

struct reading {
	struct spec *spec;
	struct keep **kept;
	struct buf requires;
	const char *text;
	size_t len;
};

static const char *kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

static int refuse(const char *key, const char *wanted, const json_t *v, struct err *e)
{
	return err_set(e, ERR_INVALID, "\"%s\" must be %s, not %s", key, wanted, kind(v));
}

/* A string without NUL: it is about to be a header or a name. */
static int text_of(const char *key, const char *wanted, const json_t *v, const char **ret,
				   struct err *e)
{
	if (!json_is_string(v))
		return refuse(key, wanted, v, e);
	if (strlen(json_string_value(v)) != json_string_length(v))
		return err_set(e, ERR_INVALID, "\"%s\" holds a NUL character", key);
	*ret = json_string_value(v);
	return 0;
}

static void add_requirement(struct reading *r, const char *capability)
{
	if (r->requires.len)
		buf_add_str(&r->requires, ",");
	buf_add_str(&r->requires, capability);
}

/* ---- what is made of a value ---- */

typedef int read_member(struct reading *r, const char *key, const char *header, const json_t *v,
						struct err *e);

static int read_type(struct reading *r, const char *key, const char *header UNUSED, const json_t *v,
					 struct err *e)
{
	const char *text;

	if (text_of(key, "a string such as \"summarize\"", v, &text, e))
		return e->code;
	if (*text)
		r->spec->type = submission_keep_text(r->kept, text, strlen(text));
	return 0;
}

static int read_text(struct reading *r, const char *key, const char *header, const json_t *v,
					 struct err *e)
{
	char number[32];
	const char *text;

	if (json_is_integer(v)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		text = number;
	} else if (text_of(key, "a string", v, &text, e)) {
		return e->code;
	}
	if (strpbrk(text, "\r\n"))
		return err_set(e, ERR_INVALID, "\"%s\" must be one line", key);
	if (*text)
		spec_add_header(r->spec, r->kept, header, text);
	return 0;
}

/* Milliseconds as a number. */
static int read_ms(struct reading *r, const char *key, const char *header, const json_t *v,
				   struct err *e)
{
	char text[48];

	if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 3.2e12)
		return err_set(e, ERR_INVALID, "\"%s\" must be a number of milliseconds, 0 or more", key);
	snprintf(text, sizeof(text), "%lldms", (long long)json_number_value(v));
	spec_add_header(r->spec, r->kept, header, text);
	return 0;
}

/* "30s", or a number of seconds. */
static int read_duration(struct reading *r, const char *key, const char *header, const json_t *v,
						 struct err *e)
{
	char text[48];

	if (json_is_string(v))
		return read_text(r, key, header, v, e);
	if (!json_is_number(v) || json_number_value(v) < 0 || json_number_value(v) > 3.2e9)
		return err_set(e, ERR_INVALID,
					   "\"%s\" must be a duration such as \"30s\" or seconds as a number", key);
	snprintf(text, sizeof(text), "%lldms", (long long)(json_number_value(v) * 1000));
	spec_add_header(r->spec, r->kept, header, text);
	return 0;
}

/* RFC 3339, or nanoseconds since 1970 as the records have it. */
static int read_time(struct reading *r, const char *key, const char *header, const json_t *v,
					 struct err *e)
{
	char text[40];

	if (!json_is_integer(v))
		return read_text(r, key, header, v, e);
	time_format(json_integer_value(v), text);
	spec_add_header(r->spec, r->kept, header, text);
	return 0;
}

/* A moment as above, or a duration: "90s", or a number of seconds that is too small for a moment. */
static int read_expires(struct reading *r, const char *key, const char *header, const json_t *v,
						struct err *e)
{
	bool seconds = json_is_number(v) && json_number_value(v) < 3.2e9;

	return seconds ? read_duration(r, key, header, v, e) : read_time(r, key, header, v, e);
}

static int read_retries(struct reading *r, const char *key, const char *header, const json_t *v,
						struct err *e)
{
	char text[32];

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 999)
		return err_set(e, ERR_INVALID, "\"%s\" must be a number from 0 to 999", key);
	snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v) + 1);
	spec_add_header(r->spec, r->kept, header, text);
	return 0;
}

/* ["gpu", …], or "gpu,large". */
static int read_capabilities(struct reading *r, const char *key, const char *header UNUSED,
							 const json_t *v, struct err *e)
{
	const char *text;
	size_t i;
	json_t *item;

	if (json_is_string(v)) {
		if (text_of(key, "a list of capabilities", v, &text, e))
			return e->code;
		if (*text)
			add_requirement(r, text);
		return 0;
	}
	if (!json_is_array(v))
		return refuse(key, "a list of capabilities such as [\"gpu\"]", v, e);
	json_array_foreach (v, i, item) {
		if (text_of(key, "a list of strings", item, &text, e))
			return e->code;
		add_requirement(r, text);
	}
	return 0;
}

/* {"gpu": true, "model": "x", "memory_gb": 16, "slow": false}: gpu, model_x, memory_gb_16. */
static int read_required(struct reading *r, const char *key, const char *header, const json_t *v,
						 struct err *e)
{
	const char *name, *text;
	json_t *item;

	if (!json_is_object(v))
		return read_capabilities(r, key, header, v, e);
	json_object_foreach ((json_t *)v, name, item) {
		char capability[2 * TOKEN_MAX + 4];

		if (json_is_true(item)) {
			add_requirement(r, name);
			continue;
		}
		if (json_is_false(item) || json_is_null(item))
			continue;
		if (json_is_integer(item)) {
			snprintf(capability, sizeof(capability), "%.65s_%lld", name,
					 (long long)json_integer_value(item));
		} else {
			if (text_of(key, "true, false, a string or a whole number for each capability", item,
						&text, e))
				return e->code;
			snprintf(capability, sizeof(capability), "%.65s_%.65s", name, text);
		}
		add_requirement(r, capability);
	}
	return 0;
}

/* Names with commas between, for the affinity headers. */
static int read_names(struct reading *r, const char *key, const char *header, const json_t *v,
					  struct err *e)
{
	CLEANUP(buf_release) struct buf list = {0};
	const char *text;
	size_t i;
	json_t *item;

	if (json_is_string(v))
		return read_text(r, key, header, v, e);
	if (!json_is_array(v))
		return refuse(key, "a list of names", v, e);
	json_array_foreach (v, i, item) {
		if (text_of(key, "a list of names", item, &text, e))
			return e->code;
		if (strpbrk(text, "\r\n"))
			return err_set(e, ERR_INVALID, "\"%s\" holds a name with a line break", key);
		buf_printf(&list, "%s%s", i ? "," : "", text);
	}
	if (list.len)
		spec_add_header(r->spec, r->kept, header, list.data);
	return 0;
}

static int read_meta(struct reading *r, const char *key, const char *header, const json_t *v,
					 struct err *e)
{
	if (json_is_string(v))
		return read_text(r, key, header, v, e);
	char *text =
		json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	if (!text || strlen(text) > META_MAX_BYTES) {
		free(text);
		return err_set(e, ERR_INVALID, "\"%s\" is over the limit of %u bytes", key, META_MAX_BYTES);
	}
	spec_add_header(r->spec, r->kept, header, text);
	free(text);
	return 0;
}

static int read_headers(struct reading *r, const char *key, const char *header UNUSED,
						const json_t *v, struct err *e)
{
	const char *name, *text;
	json_t *item;

	if (!json_is_object(v))
		return refuse(key, "an object of strings", v, e);
	json_object_foreach ((json_t *)v, name, item) {
		if (text_of(key, "an object of strings", item, &text, e))
			return e->code;
		spec_add_header(r->spec, r->kept, name, text);
	}
	return 0;
}

static int read_affinity(struct reading *r, const char *key, const char *header, const json_t *v,
						 struct err *e);

static const struct member {
	const char *key;
	const char *header;
	read_member *read;
} members[] = {
	{"id", H_TASK_ID, read_text},
	{"task_id", H_TASK_ID, read_text},
	{"taskId", H_TASK_ID, read_text},
	{"type", NULL, read_type},
	{"task_type", NULL, read_type},
	{"taskType", NULL, read_type},
	{"content_type", H_CONTENT_TYPE, read_text},
	{"contentType", H_CONTENT_TYPE, read_text},
	{"priority", H_TASK_PRIORITY, read_text},
	{"requires", NULL, read_capabilities},
	{"required", NULL, read_required},
	{"requiredCapabilities", NULL, read_capabilities},
	{"required_capabilities", NULL, read_capabilities},
	{"timeout_ms", H_TASK_TIMEOUT, read_ms},
	{"timeoutMs", H_TASK_TIMEOUT, read_ms},
	{"timeout", H_TASK_TIMEOUT, read_duration},
	{"attempts", H_TASK_ATTEMPTS, read_text},
	{"max_retries", H_TASK_ATTEMPTS, read_retries},
	{"maxRetries", H_TASK_ATTEMPTS, read_retries},
	{"backoff", H_TASK_BACKOFF, read_text},
	{"delay_ms", H_TASK_DELAY, read_ms},
	{"delayMs", H_TASK_DELAY, read_ms},
	{"delay", H_TASK_DELAY, read_duration},
	{"run_at", H_TASK_AT, read_time},
	{"runAt", H_TASK_AT, read_time},
	{"wait", H_TASK_WAIT, read_duration},
	{"expires", H_TASK_EXPIRES, read_expires},
	{"unique", H_TASK_UNIQUE, read_text},
	{"unique_for", H_TASK_UNIQUE_FOR, read_duration},
	{"uniqueFor", H_TASK_UNIQUE_FOR, read_duration},
	{"result_expires", H_TASK_RESULT_EXPIRES, read_duration},
	{"resultExpires", H_TASK_RESULT_EXPIRES, read_duration},
	{"project", H_TASK_PROJECT, read_text},
	{"project_id", H_TASK_PROJECT, read_text},
	{"projectId", H_TASK_PROJECT, read_text},
	{"object", H_TASK_OBJECT, read_text},
	{"metadata", H_TASK_META, read_meta},
	{"balance", H_TASK_BALANCE, read_text},
	{"headers", NULL, read_headers},
	{"affinity", NULL, read_affinity},
};

static const struct member affinities[] = {
	{"requiredWorker", H_TASK_NODE, read_text},
	{"sameWorkerAs", H_TASK_SAME_NODE_AS, read_text},
	{"excludedWorkers", H_TASK_NOT_NODES, read_names},
	{"required_worker", H_TASK_NODE, read_text},
	{"same_worker_as", H_TASK_SAME_NODE_AS, read_text},
	{"excluded_workers", H_TASK_NOT_NODES, read_names},
};

static int read_members(struct reading *r, const struct member *table, size_t n,
						const json_t *object, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_object_get(object, table[i].key);
		if (!v || json_is_null(v))
			continue;
		if (table[i].read(r, table[i].key, table[i].header, v, e))
			return ERR_INVALID;
	}
	return 0;
}

static int read_affinity(struct reading *r, const char *key, const char *header UNUSED,
						 const json_t *v, struct err *e)
{
	if (!json_is_object(v))
		return refuse(key, "an object such as {\"requiredWorker\":\"node-1\"}", v, e);
	return read_members(r, affinities, ARRAY_LEN(affinities), v, e);
}

/* ---- the body ---- */

static bool has_content_type(const struct spec *s)
{
	for (size_t i = 0; i < s->nheaders; i++) {
		if (strcasecmp(s->headers[i].name, H_CONTENT_TYPE) == 0)
			return true;
	}
	return false;
}

static void take_json(struct reading *r, const char *key, const json_t *v)
{
	const char *slice;
	size_t len;

	if (json_slice(r->text, r->len, key, &slice, &len)) {
		r->spec->body = slice;
		r->spec->body_len = len;
	} else {
		char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		r->spec->body_len = text ? strlen(text) : 0;
		r->spec->body = submission_keep_text(r->kept, text, r->spec->body_len);
		free(text);
	}
	if (!has_content_type(r->spec))
		spec_add_header(r->spec, r->kept, H_CONTENT_TYPE, CONTENT_JSON);
}

static void take_value(struct reading *r, const char *key, const json_t *v)
{
	if (!json_is_string(v)) {
		take_json(r, key, v);
		return;
	}
	r->spec->body_len = json_string_length(v);
	r->spec->body = submission_keep_text(r->kept, json_string_value(v), r->spec->body_len);
}

static int take_base64(struct reading *r, const char *key, const json_t *v, struct err *e)
{
	CLEANUP(buf_release) struct buf bytes = {0};

	if (!json_is_string(v))
		return refuse(key, "a string of base64", v, e);
	if (base64_decode(json_string_value(v), json_string_length(v), &bytes, e))
		return err_wrap(e, "\"%s\"", key);
	r->spec->body = submission_keep_text(r->kept, bytes.data, bytes.len);
	r->spec->body_len = bytes.len;
	return 0;
}

/* A member that is there and says something. */
static const json_t *given(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);
	return json_is_null(v) ? NULL : v;
}

static int read_body(struct reading *r, const json_t *j, struct err *e)
{
	if (given(j, "inputs")) {
		r->spec->body = r->text;
		r->spec->body_len = r->len;
		if (!has_content_type(r->spec))
			spec_add_header(r->spec, r->kept, H_CONTENT_TYPE, CONTENT_JSON);
	} else if (given(j, "payload")) {
		take_value(r, "payload", given(j, "payload"));
	} else if (given(j, "text")) {
		take_value(r, "text", given(j, "text"));
	} else if (given(j, "payload_base64")) {
		return take_base64(r, "payload_base64", given(j, "payload_base64"), e);
	}
	return 0;
}

/* ---- CloudEvents, structured ---- */

static int read_cloudevent(struct reading *r, const json_t *j, struct err *e)
{
	const json_t *type = given(j, "type"), *id = given(j, "id"), *data = given(j, "data"),
				 *base64 = given(j, "data_base64"), *v;
	const char *name, *text, *content_type;
	char header[80];

	if (!json_is_string(type) || !json_is_string(id))
		return err_set(e, ERR_INVALID, "a CloudEvent needs \"id\" and \"type\" as strings");
	if (text_of("type", "a string", type, &text, e))
		return ERR_INVALID;
	/* Event types are written with dots (com.example.made); a task's type has none. */
	char *token = submission_keep_text(r->kept, text, strlen(text));
	for (char *p = token; *p; p++) {
		if (*p == '.')
			*p = '_';
	}
	r->spec->type = token;
	if (text_of("id", "a string", id, &text, e))
		return ERR_INVALID;
	r->spec->msg_id = submission_keep_text(r->kept, text, strlen(text));

	/* The attributes go on as the NATS binding of CloudEvents names them. */
	json_object_foreach ((json_t *)j, name, v) {
		if (str_eq(name, "data") || str_eq(name, "data_base64") || str_eq(name, "datacontenttype"))
			continue;
		if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v) ||
			strlen(name) > 64)
			continue;
		snprintf(header, sizeof(header), "ce-%s", name);
		spec_add_header(r->spec, r->kept, header, json_string_value(v));
	}
	if (given(j, "datacontenttype")) {
		if (text_of("datacontenttype", "a string", given(j, "datacontenttype"), &content_type, e))
			return ERR_INVALID;
		spec_add_header(r->spec, r->kept, H_CONTENT_TYPE, content_type);
	}
	if (data)
		take_value(r, "data", data);
	else if (base64)
		return take_base64(r, "data_base64", base64, e);
	return 0;
}

int spec_read_json(const char *text, size_t len, struct keep **kept, struct spec *ret,
				   struct err *e)
{
	struct reading r = {.spec = ret, .kept = kept, .text = text, .len = len};
	json_error_t je;
	json_t *j = json_loadb(text, len, JSON_ALLOW_NUL, &je);
	int rc;

	if (!j)
		return err_set(e, ERR_INVALID,
					   "it is no valid JSON: line %d, column %d: %.200s", je.line,
					   je.column, je.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(e, ERR_INVALID,
					   "it must be one JSON object, such as "
					   "{\"type\":\"echo\",\"text\":\"hello\"}");
	}
	if (json_is_string(json_object_get(j, "specversion"))) {
		rc = read_cloudevent(&r, j, e);
	} else {
		rc = read_members(&r, members, ARRAY_LEN(members), j, e);
		if (rc == 0)
			rc = read_body(&r, j, e);
		if (rc == 0 && r.requires.len)
			spec_add_header(ret, kept, H_TASK_REQUIRES, r.requires.data);
	}
	buf_release(&r.requires);
	json_decref(j);
	return rc;
}
