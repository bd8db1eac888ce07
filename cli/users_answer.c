/*
 * Reads one answer. It stands alone because here it is decided what counts as
 * an error: everything but the right result, a task that goes on, or a
 * refusal that says when to come back. A 429 or 503 without Retry-After is an
 * error: a client cannot behave well on it.
 */
#include "cli/users_answer.h"

#include <jansson.h>
#include <stdio.h>

#include "common/codec.h"
#include "common/http_retry.h"

static void say(struct users_answer *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct users_answer *a, const char *fmt, ...)
{
	va_list ap;

	a->meaning = USERS_ERROR;
	va_start(ap, fmt);
	vsnprintf(a->words, sizeof(a->words), fmt, ap);
	va_end(ap);
}

static const char *text_of(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static void read_task(struct users_answer *a, long status, const json_t *task, const char *text)
{
	const char *id = text_of(task, "id"), *state = text_of(task, "state");

	if (!*id || strlen(id) >= sizeof(a->id)) {
		say(a, "%ld without a task's id", status);
		return;
	}
	memcpy(a->id, id, strlen(id) + 1);
	if (str_eq(state, "completed")) {
		a->meaning = USERS_DONE;
		if (!str_eq(text_of(task, "result"), text))
			say(a, "task %s has another one's result: '%.80s', not '%.80s'", id,
				text_of(task, "result"), text);
	} else if (str_eq(state, "dead") || str_eq(state, "cancelled")) {
		say(a, "task %s is %s: %.120s", id, state, text_of(task, "error"));
	} else {
		a->meaning = USERS_PENDING;
	}
}

struct users_answer users_answer_read(long status, const char *body, size_t len,
									  const char *retry_after, const char *text,
									  int64_t now_wall_ns)
{
	struct users_answer a = {.meaning = USERS_ERROR};
	json_t *j;

	if (status == 429 || status == 503) {
		a.after_ns = http_retry_after_ns(retry_after, now_wall_ns);
		a.meaning = USERS_REFUSED;
		if (!*retry_after)
			say(&a, "%ld without Retry-After", status);
		return a;
	}
	j = json_loadb(body, len, JSON_ALLOW_NUL, NULL);
	if (status == 200 || status == 202) {
		if (json_is_object(j))
			read_task(&a, status, j, text);
		else
			say(&a, "%ld with a body that is no JSON object", status);
	} else {
		CLEANUP(buf_release) struct buf clean = {0};
		const char *detail = text_of(j, "detail");

		utf8_clean(*detail ? detail : body, *detail ? strlen(detail) : MIN_OF(len, (size_t)150),
				   &clean);
		say(&a, "%ld%s%.200s", status, clean.len ? ": " : "", clean.data ? clean.data : "");
	}
	json_decref(j);
	return a;
}
