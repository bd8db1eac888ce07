/*
 * /tasks and /agents/nodes: what queues, what runs, what came out, and on
 * which nodes, in the words of a system that has one queue and its nodes.
 */
#include "gateway/gather.h"
#include "gateway/list_page.h"
#include "gateway/routes.h"
#include "gateway/submit.h"
#include "gateway/words.h"

static const struct ask_param task_params[] = {
	{"type", NULL, ASK_TEXT},        {"limit", NULL, ASK_NUMBER},       {"cursor", NULL, ASK_TEXT},
	{"after", "after_at", ASK_TIME}, {"before", "before_at", ASK_TIME}, {0}};

static json_t *tell(const struct http_request *r UNUSED, const json_t *page)
{
	json_t *tasks = json_array(), *task;
	size_t i;

	json_array_foreach (json_object_get(page, "tasks"), i, task)
		json_array_append_new(tasks, words_task(task));
	return json_pack("{s:o, s:o}", "tasks", tasks, "next_cursor", words_copy(page, "next_cursor"));
}

/* Context: the states, with blanks between. */
static void on_list(void *data, struct http_request *r)
{
	json_t *list = ask_query(r, task_params), *states = json_array();

	if (!list) {
		json_decref(states);
		return;
	}
	for (const char *at = http_context(r); *at;) {
		size_t len = strcspn(at, " ");

		json_array_append_new(states, json_stringn(at, len));
		at += len + (at[len] == ' ');
	}
	json_object_set_new(list, "states", states);
	json_object_set_new(list, "with_body", json_true());
	ask_shaped(data, r, "api.task.list", list, tell);
}

static json_t *nodes(const struct http_request *r UNUSED, const struct gathered *x)
{
	json_t *told = list_answer(json_object_get(x->part[0], "nodes"), "name", "nodes", x->query);
	json_t *page = json_object_get(told, "nodes"), *node;
	size_t i;

	json_array_foreach (page, i, node)
		json_array_set_new(page, i, words_worker(node, x->now_wall_ns));
	return told;
}

/* ---- submitting ---- */

static json_t *accepted(const char *id, const char *type, bool duplicate)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "task_id", id, "type", type, "status", "queued",
					 "duplicate", duplicate);
}

static const struct ask_param wait_param[] = {{"wait", NULL, ASK_TEXT}, {0}};

static void on_submit(void *data, struct http_request *r)
{
	static const struct submit_style style = {.accepted = accepted, .ended = words_task};
	json_t *given = ask_query(r, wait_param);
	size_t len, blank;
	const char *text = http_body(r, &len);

	if (!given)
		return;
	json_decref(given);
	blank = strspn(text, " \t\r\n");
	if (text[blank] == '{')
		submit_spec(data, r, text, len, &style);
	else
		http_problem(r, 400, NULL,
					 "the body must be a task as JSON, such as {\"text\": \"…\", \"type\": "
					 "\"summarize\", \"required\": {\"gpu\": true}}");
}

static const struct ask_param list_params[] = {LIST_PARAMS, {0}};

const struct http_route compat_tasks_routes[] = {
	{"POST", "/tasks/submit", SCOPE_SUBMIT, on_submit, 0, NULL},
	{"GET", "/tasks/queued", SCOPE_READ, on_list, 0, "scheduled queued"},
	{"GET", "/tasks/in_progress", SCOPE_READ, on_list, 0, "running"},
	{"GET", "/tasks/results", SCOPE_READ, on_list, 0, "completed dead"},
	GATHER("/agents/nodes", {{"api.node.list", NULL, true}}, nodes, list_params),
	{0},
};
