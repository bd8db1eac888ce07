/*
 * `submit --predict`: when a task that is about to be submitted should begin.
 * It stands alone because a prediction is a courtesy: where the scaler does
 * not answer, that is said, and the task is submitted all the same.
 */
#include "cli/predict.h"

#include "common/clock.h"
#include "common/task.h"

static const char *header_of(const struct draft *d, const char *name)
{
	for (size_t i = 0; i < d->nheaders; i++) {
		if (str_eq(d->headers[i].name, name))
			return d->headers[i].value;
	}
	return NULL;
}

static const char *class_of(const char *priority)
{
	enum task_class class = CLASS_NORMAL;
	struct err e;

	/* It was checked when the draft was made. */
	if (priority && task_priority_parse(priority, &class, &e))
		class = CLASS_NORMAL;
	return task_class_name(class);
}

json_t *predict_ask(struct cli *c, const struct draft *d)
{
	json_t *request = json_pack("{s:s, s:s}", "type", d->type, "priority",
								class_of(header_of(d, H_TASK_PRIORITY)));
	CLEANUP(free_ptr) char *requires = header_of(d, H_TASK_REQUIRES) ? xstrdup(header_of(d, H_TASK_REQUIRES)) : NULL;
	json_t *list = json_array(), *answer = NULL;
	char *save = NULL;
	struct err e = {0};

	for (char *w = requires ? strtok_r(requires, ", ", &save) : NULL; w; w = strtok_r(NULL, ", ", &save))
		json_array_append_new(list, json_string(w));
	json_object_set_new(request, "requires", list);
	if (cli_call(c, "api.scaler.predict", request, &answer, &e))
		cli_say(c, "no prediction: %s", e.text);
	json_decref(request);
	return answer;
}

void predict_say(const struct cli *c, const json_t *prediction)
{
	const json_t *wait = json_object_get(prediction, "wait_s");
	const char *basis = json_string_value(json_object_get(prediction, "basis"));
	char text[32];

	if (!prediction)
		return;
	if (!json_is_number(wait) || json_number_value(wait) >= 1e9) {
		cli_say(c, "as things are it would never begin: %s", basis ? basis : "");
		return;
	}
	duration_format((int64_t)(json_number_value(wait) * 1000) * NS_PER_MS, text);
	cli_say(c, "it should begin in %s: %s", text, basis ? basis : "");
}
