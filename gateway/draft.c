/*
 * Reading a task out of a request. It stands alone because it decides nothing
 * itself: a spec or headers become an arrival, as a message on `tasks` or
 * `tasks.<type>` would, and common/decode says what is wrong with it. Only
 * what the gateway alone promises is added: an id before anything is sent, and
 * the words of POST /api/v1/tasks that no router looks at.
 */
#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/decode.h"
#include "common/task.h"
#include "common/ulid.h"
#include "gateway/submit.h"

#define HEADERS_MAX 64
#define IDEMPOTENCY_KEY_MAX 255

struct header_list {
	struct keep **kept;
	struct bus_header at[HEADERS_MAX];
	size_t n;
	bool too_many, has_id;
};

static void add(struct header_list *l, const char *name, const char *value)
{
	if (l->n == HEADERS_MAX) {
		l->too_many = true;
		return;
	}
	l->at[l->n++] = (struct bus_header){submission_keep_text(l->kept, name, strlen(name)),
										submission_keep_text(l->kept, value, strlen(value))};
}

/* Of an HTTP request's headers those that are a task's; the others are between client and server. */
static bool take_header(void *data, const char *name, const char *value)
{
	static const char *const passed[] = {"traceparent", "tracestate", H_CONTENT_TYPE};
	struct header_list *l = data;

	/* What forms and curl -d say where nobody said anything. */
	if (strcasecmp(name, H_CONTENT_TYPE) == 0 &&
		strcasecmp(value, "application/x-www-form-urlencoded") == 0)
		return true;
	if (strcasecmp(name, H_TASK_ID) == 0)
		l->has_id = true;
	if (strncasecmp(name, "Task-", 5) == 0 || strncasecmp(name, "ce-", 3) == 0) {
		add(l, name, value);
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		if (strcasecmp(name, passed[i]) == 0)
			add(l, name, value);
	}
	return true;
}

static int add_id(struct header_list *l, const char *idempotency_key, struct err *e)
{
	char id[ULID_LEN + 1];

	if (l->too_many)
		return err_set(e, ERR_INVALID, "headers: at most %d of a task's", HEADERS_MAX - 2);
	if (idempotency_key && (!*idempotency_key || strlen(idempotency_key) > IDEMPOTENCY_KEY_MAX))
		return err_set(e, ERR_INVALID, "Idempotency-Key: 1 to %d characters", IDEMPOTENCY_KEY_MAX);
	if (l->has_id)
		return 0;
	if (idempotency_key) {
		add(l, H_MSG_ID, idempotency_key);
	} else {
		ulid_new(id);
		add(l, H_TASK_ID, id);
	}
	return 0;
}

static int decode(const struct gateway *g, const struct header_list *l, const char *subject,
				  const char *text, size_t len, struct draft_task *d, struct err *e)
{
	const struct decode_rules rules = {.default_type = g->config.default_type,
									   .body_max_bytes = SIZE_MAX};
	const struct arrival a = {.subject = subject,
							  .headers = submission_keep(l->kept, (l->n + 1) * sizeof(l->at[0])),
							  .nheaders = l->n,
							  .body = text,
							  .body_len = len,
							  .stored_wall_ns = clock_wall_ns()};

	memcpy((void *)(uintptr_t)a.headers, l->at, l->n * sizeof(l->at[0]));
	if (decode_submission(&rules, &a, &d->task, e))
		return e->code;
	d->body_len = d->task.body_len;
	return 0;
}

/* ---- the words that are ours ---- */

static int check_inputs(const json_t *inputs, struct err *e)
{
	static const char *const types[] = {"text", "image", "video", "json", "binary"};
	json_t *input;
	size_t i;

	if (!json_is_array(inputs))
		return err_set(e, ERR_INVALID, "\"inputs\" must be a list of {\"type\", \"data\"}");
	json_array_foreach (inputs, i, input) {
		const char *type = json_string_value(json_object_get(input, "type"));
		bool known = false;

		for (size_t t = 0; type && t < ARRAY_LEN(types); t++)
			known |= str_eq(type, types[t]);
		if (!known || !json_object_get(input, "data"))
			return err_set(
				e, ERR_INVALID,
				"\"inputs\" holds, at %zu, what is no {\"type\": \"text|image|video|json|binary\", "
				"\"data\": …}",
				i);
	}
	return 0;
}

static int check_mode(const json_t *mode, struct err *e)
{
	const char *text = json_string_value(mode);

	if (text && (str_eq(text, "sequential") || str_eq(text, "parallel") || str_eq(text, "hybrid")))
		return 0;
	return err_set(e, ERR_INVALID, "\"execution_mode\" must be sequential, parallel or hybrid");
}

/* Only looked for where the text may have them: most tasks are read once. */
static int check_words(const char *text, size_t len, struct err *e)
{
	json_t *j, *inputs, *mode;
	int rc = 0;

	if (!memmem(text, len, "\"inputs\"", 8) && !memmem(text, len, "\"execution_mode\"", 16))
		return 0;
	j = json_loadb(text, len, 0, NULL);
	inputs = json_object_get(j, "inputs");
	mode = json_object_get(j, "execution_mode");
	if (inputs && !json_is_null(inputs))
		rc = check_inputs(inputs, e);
	if (!rc && mode && !json_is_null(mode))
		rc = check_mode(mode, e);
	json_decref(j);
	return rc;
}

/* Whoever wrote JSON knows no headers: "header Task-Priority: …" becomes `"priority": …`. */
static void name_key(struct err *e)
{
	static const char before[] = "header Task-";
	char key[TOKEN_MAX], rest[sizeof(e->text)];
	size_t len;

	if (strncmp(e->text, before, strlen(before)) != 0)
		return;
	len = strcspn(e->text + strlen(before), ": ");
	if (len >= sizeof(key))
		return;
	for (size_t i = 0; i < len; i++) {
		char c = e->text[strlen(before) + i];

		key[i] = (char)(c == '-' ? '_' : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	key[len] = '\0';
	snprintf(rest, sizeof(rest), "%s", e->text + strlen(before) + len);
	err_set(e, e->code, "\"%s\"%.430s", str_eq(key, "at") ? "run_at" : key, rest);
}

/* ---- the two ways in ---- */

/* Which of the two would it be? */
static int check_object(const struct draft_task *d, struct err *e)
{
	for (size_t i = 0; i < d->task.nheaders && d->body_len > 0; i++) {
		if (strcasecmp(d->task.headers[i].name, H_TASK_OBJECT) == 0)
			return err_set(e, ERR_INVALID,
						   "header " H_TASK_OBJECT
						   ": a task has a body or names an object, not both");
	}
	return 0;
}

int draft_task_json(const struct gateway *g, const char *text, size_t len,
					const char *idempotency_key, struct draft_task *ret, struct err *e)
{
	struct header_list l = {.kept = &ret->kept};

	*ret = (struct draft_task){.body_fd = -1};
	add(&l, H_CONTENT_TYPE, "application/json"); /* of the spec, not of the payload */
	if (add_id(&l, idempotency_key, e) || decode(g, &l, "tasks", text, len, ret, e) ||
		check_object(ret, e) || check_words(text, len, e)) {
		name_key(e);
		draft_task_release(ret);
		return e->code;
	}
	return 0;
}

int draft_task_raw(struct gateway *g, struct http_request *r, const char *type,
				   struct draft_task *ret, struct err *e)
{
	struct header_list l = {.kept = &ret->kept};
	CLEANUP(free_ptr) char *subject = xasprintf("tasks.%s", type);
	uint64_t file_len;
	size_t len;

	*ret = (struct draft_task){.body_fd = -1};
	const char *body = http_body(r, &len);
	http_each_header(r, take_header, &l);
	int rc = token_check("type", type, e) || add_id(&l, http_header(r, "Idempotency-Key"), e) ||
			 decode(g, &l, subject, body, len, ret, e);

	ret->body_fd = http_body_file(r, &file_len);
	if (ret->body_fd >= 0)
		ret->body_len = file_len;
	if (!rc && !check_object(ret, e))
		return 0;
	draft_task_release(ret);
	return e->code;
}

void draft_task_release(struct draft_task *d)
{
	submission_release(&d->task);
	keep_release(&d->kept);
	free(d->object);
	d->object = NULL;
}
