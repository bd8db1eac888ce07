/*
 * The doctor's look at tasks that came back unspent and wait to be tried
 * again: nobody answers on handle.<type>, no node may run them. It stands
 * alone because such tasks are scheduled, not queued, so no lane looks stuck,
 * and what keeps them is told by their own history alone. A task that its
 * publisher delayed has none.
 */
#include "cli/doctor.h"

#include <stdio.h>

#define LANES_MAX 20
#define TASKS_MAX 5 /* of a lane: the newest may be some that were delayed on purpose */

static const char *text(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

/* Its last execution where that was given back; owned, NULL where it was not. */
static json_t *given_back(struct doctor *d, const char *id)
{
	json_t *request = json_pack("{s:s}", "id", id);
	json_t *task = NULL, *last = NULL;
	struct err e = {0};

	if (cli_call(d->cli, "api.task.get", request, &task, &e) == 0) {
		const json_t *history = json_object_get(task, "history");
		size_t n = json_array_size(history);
		last = n ? json_array_get(history, n - 1) : NULL;
		last = last && str_eq(text(last, "outcome"), "returned") ? json_incref(last) : NULL;
	}
	json_decref(request);
	json_decref(task);
	return last;
}

static json_t *find_given_back(struct doctor *d, const char *lane, const char **ret_id,
							   json_t **ret_page)
{
	json_t *request =
		json_pack("{s:[s], s:s, s:i}", "states", "scheduled", "lane", lane, "limit", TASKS_MAX);
	json_t *found = NULL;
	json_t *task;
	struct err e = {0};
	size_t i;

	if (cli_call(d->cli, "api.task.list", request, ret_page, &e) == 0) {
		json_array_foreach (json_object_get(*ret_page, "tasks"), i, task) {
			*ret_id = text(task, "id");
			found = given_back(d, *ret_id);
			if (found)
				break;
		}
	}
	json_decref(request);
	return found;
}

/* A lane is named type--capability--…. */
static size_t type_len(const char *lane)
{
	const char *end = strstr(lane, "--");

	return end ? (size_t)(end - lane) : strlen(lane);
}

static void check_lane(struct doctor *d, const json_t *lane)
{
	const char *name = text(lane, "name"), *id = "";
	json_t *page = NULL;
	json_t *last = find_given_back(d, name, &id, &page);

	if (last) {
		CLEANUP(free_ptr)
		char *remedy =
			str_eq(text(last, "reason"), "no-responders")
				? xasprintf(
					  "give a node a handler for it (its --handlers file), or answer: nats reply "
					  "handle.%.*s --queue nodes --command …",
					  (int)type_len(name), name)
				: xasprintf("millrace task get %s", id);
		doctor_add(d, FINDING_WRONG, "lane", remedy,
				   "%s: %lld tasks wait to be tried again; %s came back: %s", name,
				   (long long)json_integer_value(json_object_get(lane, "scheduled")), id,
				   text(last, "error"));
	}
	json_decref(last);
	json_decref(page);
}

void doctor_deferred(struct doctor *d)
{
	json_t *page, *lane;
	struct err e = {0};
	size_t i;

	if (cli_call(d->cli, "api.lane.scheduled", NULL, &page, &e))
		return; /* that the store is away was told */
	json_array_foreach (json_object_get(page, "lanes"), i, lane) {
		if (i == LANES_MAX)
			break;
		check_lane(d, lane);
	}
	json_decref(page);
}
