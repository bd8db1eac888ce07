/*
 * Our records in the words of other systems. It stands alone, without requests
 * and answers, because here is decided what `failed`, `healthy` and `idle`
 * mean: a client that was written for one of those systems finds the keys that
 * it knows, whatever ours are called.
 */
#include "gateway/words.h"

#include <stdio.h>

#include "common/clock.h"
#include "gateway/task_view.h"

/* An agent that says nothing for so long, and for three of its heartbeats, is not well. */
#define SILENT_S 90
#define HEARTBEATS_MISSED 3
/* One that no node has taken in that time, neither. */
#define UNPLACED_S 60

const char *words_text(const json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));

	return text ? text : "";
}

json_t *words_copy(const json_t *record, const char *key)
{
	json_t *value = json_object_get(record, key);

	return value ? json_incref(value) : json_null();
}

static bool moment(const json_t *record, const char *key, int64_t *ret_wall_ns)
{
	const char *text = words_text(record, key);

	return *text && time_parse(text, ret_wall_ns, NULL) == 0;
}

json_t *words_since(const json_t *record, const char *key, int64_t now_wall_ns)
{
	int64_t at_wall_ns;

	if (!moment(record, key, &at_wall_ns))
		return json_null();
	return json_real((double)MAX_OF(now_wall_ns - at_wall_ns, INT64_C(0)) / 1e9);
}

/* ---- tasks ---- */

/* "summarize--gpu--model_x" → {"gpu": true, "model_x": true} */
static json_t *required_of(const char *lane)
{
	json_t *required = json_object();
	const char *at = strstr(lane, "--");

	while (at) {
		const char *end = strstr(at += 2, "--");
		CLEANUP(free_ptr) char *name = xmemdup0(at, end ? (size_t)(end - at) : strlen(at));

		json_object_set_new(required, name, json_true());
		at = end;
	}
	return required;
}

/* Bytes are "x" or "x_base64": the second is named only where it is needed. */
static void put_bytes(json_t *out, const char *name, const json_t *task, const char *key)
{
	char spelled[64];

	snprintf(spelled, sizeof(spelled), "%s_base64", key);
	const json_t *base64 = json_object_get(task, spelled);

	json_object_set_new(out, name, base64 ? json_null() : words_copy(task, key));
	if (base64) {
		snprintf(spelled, sizeof(spelled), "%s_base64", name);
		json_object_set(out, spelled, (json_t *)(uintptr_t)base64);
	}
}

json_t *words_task(const json_t *task)
{
	json_t *out = json_pack(
		"{s:o, s:o, s:s, s:o, s:o}", "task_id", words_copy(task, "id"), "type",
		words_copy(task, "type"), "status", task_view_status(words_text(task, "state")), "required",
		required_of(words_text(task, "lane")), "priority", words_copy(task, "priority"));
	static const char *const same[] = {"node",        "attempt",     "submitted_at", "started_at",
									   "finished_at", "duration_ms", "error"};

	put_bytes(out, "text", task, "body");
	put_bytes(out, "result", task, "result");
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		json_object_set_new(out, same[i], words_copy(task, same[i]));
	return out;
}

/* What an agent answered: JSON as such, else a text. */
static void put_value(json_t *out, const json_t *task)
{
	const char *text = words_text(task, "result");
	json_t *value = strstr(words_text(task, "content_type"), "json")
						? json_loads(text, JSON_DECODE_ANY, NULL)
						: NULL;

	if (value)
		json_object_set_new(out, "result", value);
	else
		put_bytes(out, "result", task, "result");
}

/* The body is the description, or JSON that has it. */
static json_t *description_of(const json_t *task)
{
	json_t *spec = json_loads(words_text(task, "body"), 0, NULL), *found;

	found = json_is_string(json_object_get(spec, "description")) ? words_copy(spec, "description")
																 : words_copy(task, "body");
	json_decref(spec);
	return found;
}

json_t *words_cluster_task(const json_t *task)
{
	json_t *out = json_pack(
		"{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "task_id",
		words_copy(task, "id"), "agent_type", words_copy(task, "type"), "description",
		description_of(task), "status", task_view_status(words_text(task, "state")), "worker",
		words_copy(task, "node"), "attempts", words_copy(task, "attempt"), "error",
		words_copy(task, "error"), "created_at", words_copy(task, "submitted_at"), "started_at",
		words_copy(task, "started_at"), "completed_at", words_copy(task, "finished_at"),
		"duration_ms", words_copy(task, "duration_ms"));

	put_value(out, task);
	return out;
}

/* ---- agents ---- */

const char *words_agent_state(const json_t *agent)
{
	const char *state = words_text(json_object_get(agent, "status"), "state");

	return *state ? state : "waiting";
}

const char *words_agent_trouble(const json_t *agent, int64_t now_wall_ns)
{
	const json_t *status = json_object_get(agent, "status");
	int64_t beat_ms = json_integer_value(json_object_get(agent, "heartbeat_interval_ms"));
	int64_t silent_s = MAX_OF(beat_ms * HEARTBEATS_MISSED / 1000, (int64_t)SILENT_S), at;

	if (str_eq(words_agent_state(agent), "backoff"))
		return "it keeps ending, and is started again with growing pauses";
	if (moment(status, "heartbeat_at", &at))
		return now_wall_ns - at > silent_s * NS_PER_S ? "it gives no sign of life" : "";
	if (moment(agent, "spawned_at", &at) && now_wall_ns - at > UNPLACED_S * NS_PER_S)
		return "no node has taken it";
	return "";
}

static json_t *seconds(const json_t *agent, const char *key)
{
	return json_real((double)json_integer_value(json_object_get(agent, key)) / 1000);
}

json_t *words_agent(const json_t *agent, int64_t now_wall_ns)
{
	json_t *out = json_copy((json_t *)(uintptr_t)agent);
	const json_t *status = json_object_get(agent, "status");
	bool idles = json_integer_value(json_object_get(agent, "max_idle_ms")) > 0;

	json_object_set_new(out, "state", json_string(words_agent_state(agent)));
	json_object_set_new(out, "healthy", json_boolean(!*words_agent_trouble(agent, now_wall_ns)));
	json_object_set_new(out, "process_id", words_copy(status, "pid"));
	json_object_set_new(out, "heartbeat_interval", seconds(agent, "heartbeat_interval_ms"));
	json_object_set_new(out, "max_idle_time",
						idles ? seconds(agent, "max_idle_ms") : json_real(-1));
	return out;
}

/* ---- workers ---- */

const char *words_worker_state(const json_t *node)
{
	const char *state = words_text(node, "state");

	if (!str_eq(state, "ready"))
		return state;
	return json_integer_value(json_object_get(node, "used")) > 0 ? "busy" : "idle";
}

json_t *words_worker(const json_t *node, int64_t now_wall_ns)
{
	static const char *const same[] = {"pool",           "host",   "slots",           "used",
									   "capabilities",   "types",  "heartbeat_age_s", "cpu_percent",
									   "memory_percent", "version"};
	bool well =
		str_eq(words_text(node, "state"), "ready") || str_eq(words_text(node, "state"), "draining");
	json_int_t slots = json_integer_value(json_object_get(node, "slots"));
	json_t *out = json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:o}", "name", words_copy(node, "name"),
							"status", words_worker_state(node), "healthy", well, "process_id",
							words_copy(node, "pid"), "tasks_completed",
							words_copy(node, "completed"), "errors", words_copy(node, "failed"),
							"uptime_s", words_since(node, "started_at", now_wall_ns));

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		json_object_set_new(out, same[i], words_copy(node, same[i]));
	json_object_set_new(
		out, "load",
		json_real(slots > 0 ? json_number_value(json_object_get(node, "used")) / (double)slots
							: 0));
	return out;
}
