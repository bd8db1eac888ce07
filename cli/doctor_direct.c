/*
 * The doctor's look at tasks that may not run everywhere: those that wait in
 * DELAYED for a node that they need, each with its reason in its row. It
 * stands alone because a lane's counts say nothing of them. Only the newest
 * scheduled tasks are looked at, as there may be a million.
 */
#include "cli/doctor.h"

#define LOOKED_AT 500
#define SHOWN 3

static const char *text(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

void doctor_direct(struct doctor *d)
{
	json_t *request = json_pack("{s:[s], s:i}", "states", "scheduled", "limit", LOOKED_AT);
	struct err e = {0};
	json_t *page = NULL, *task;
	unsigned waiting = 0;
	size_t i;

	/* That the store can't be asked is told with the errors. */
	if (cli_call(d->cli, "api.task.list", request, &page, &e) == 0) {
		json_array_foreach (json_object_get(page, "tasks"), i, task) {
			if (str_eq(text(task, "reason"), "no-node") && ++waiting <= SHOWN)
				doctor_add(d, FINDING_WARNING, "direct",
						   "start that node, or wait: after direct.wait the task is dead and can "
						   "be replayed",
						   "task %s (no-node): %s", text(task, "id"), text(task, "error"));
		}
		if (waiting > SHOWN)
			doctor_add(d, FINDING_WARNING, "direct", "millrace task list --state scheduled",
					   "%u more of the newest %d scheduled tasks wait for a node that they need",
					   waiting - SHOWN, LOOKED_AT);
		else if (waiting == 0)
			doctor_add(d, FINDING_OK, "direct", NULL, "no task waits for a node that is not there");
	}
	json_decref(page);
	json_decref(request);
}
