/*
 * A task in two vocabularies at once. It stands alone because clients of
 * other systems read `status`, `output` and `agent_executions`, our own read `state`,
 * `result` and `history`, and both mean the same row.
 */
#include "gateway/task_view.h"

#include <strings.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/codec.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

const char *task_view_status(const char *state)
{
	if (str_eq(state, "dead"))
		return "failed";
	return str_eq(state, "scheduled") ? "queued" : state;
}

bool task_view_ended(const json_t *task)
{
	const char *state = text(task, "state");

	return str_eq(state, "completed") || str_eq(state, "dead") || str_eq(state, "cancelled");
}

bool task_view_bytes(const json_t *task, const char *key, struct buf *out)
{
	const json_t *plain = json_object_get(task, key);
	CLEANUP(free_ptr) char *coded = xasprintf("%s_base64", key);
	const json_t *base64 = json_object_get(task, coded);

	if (json_is_string(plain)) {
		buf_add(out, json_string_value(plain), json_string_length(plain));
		return true;
	}
	return json_is_string(base64) &&
		   base64_decode(json_string_value(base64), json_string_length(base64), out, NULL) == 0;
}

/* JSON as JSON, text as text, bytes as base64. */
static json_t *output_of(const json_t *task)
{
	CLEANUP(buf_release) struct buf bytes = {0};
	const char *type = text(task, "content_type");

	if (*text(task, "result_object"))
		return json_pack("{s:s, s:O?}", "object", text(task, "result_object"), "bytes",
						 json_object_get(task, "result_bytes"));
	if (!task_view_bytes(task, "result", &bytes))
		return json_null();
	if (strcasestr(type, "json")) {
		json_t *j = json_loadb(bytes.data ? bytes.data : "", bytes.len, JSON_DECODE_ANY, NULL);

		if (j)
			return j;
	}
	if (json_object_get(task, "result_base64"))
		return json_incref(json_object_get(task, "result_base64"));
	return json_stringn(bytes.data ? bytes.data : "", bytes.len);
}

static json_t *span_ms(const json_t *from, const json_t *to)
{
	int64_t a, b;

	if (!json_is_string(from) || !json_is_string(to) ||
		time_parse(json_string_value(from), &a, NULL) ||
		time_parse(json_string_value(to), &b, NULL))
		return json_null();
	return json_real((double)(b - a) / (double)NS_PER_MS);
}

static json_t *execution(const json_t *task, const json_t *attempt, const char *status)
{
	json_t *j = json_pack(
		"{s:s, s:s, s:s, s:O?, s:O?, s:O?, s:O?}", "agent_id", text(attempt, "node"), "agent_type",
		text(task, "type"), "status", status, "attempt", json_object_get(attempt, "attempt"),
		"started_at", json_object_get(attempt, "started_at"), "finished_at",
		json_object_get(attempt, "finished_at"), "error", json_object_get(attempt, "error"));

	json_object_set_new(
		j, "duration_ms",
		span_ms(json_object_get(attempt, "started_at"), json_object_get(attempt, "finished_at")));
	return j;
}

static void add_agent(json_t *agents, const char *node)
{
	size_t i;
	json_t *known;

	if (!*node)
		return;
	json_array_foreach (agents, i, known) {
		if (str_eq(json_string_value(known), node))
			return;
	}
	json_array_append_new(agents, json_string(node));
}

/* Attempts beyond the last are rows of their own; the last is the task itself. */
static json_t *executions(const json_t *task, json_t *agents)
{
	json_t *list = json_array(), *attempt;
	const json_t *last = json_object_get(task, "attempt");
	bool has_last = false;
	size_t i;

	json_array_foreach (json_object_get(task, "history"), i, attempt) {
		const char *outcome = text(attempt, "outcome");

		has_last |= json_equal(json_object_get(attempt, "attempt"), last);
		json_array_append_new(list, execution(task, attempt, task_view_status(outcome)));
		add_agent(agents, text(attempt, "node"));
	}
	if (!has_last && *text(task, "started_at")) {
		json_array_append_new(list, execution(task, task, task_view_status(text(task, "state"))));
		add_agent(agents, text(task, "node"));
	}
	return list;
}

json_t *task_view(const json_t *task)
{
	json_t *j = json_copy((json_t *)(uintptr_t)task), *agents = json_array();
	json_int_t attempt = json_integer_value(json_object_get(task, "attempt"));

	json_object_set(j, "task_id", json_object_get(task, "id"));
	json_object_set(j, "task_type", json_object_get(task, "type"));
	json_object_set_new(j, "status", json_string(task_view_status(text(task, "state"))));
	json_object_set_new(j, "agent_executions", executions(task, agents));
	json_object_set_new(j, "output", output_of(task));
	json_object_set_new(j, "metrics",
						json_pack("{s:o, s:I, s:o}", "total_duration_ms",
								  span_ms(json_object_get(task, "submitted_at"),
										  json_object_get(task, "finished_at")),
								  "retry_count", attempt > 1 ? attempt - 1 : (json_int_t)0,
								  "agents_used", agents));
	return j;
}
