/* Routes that are one question each. It stands alone as what most of the tables of routes have in common. */
#include "gateway/pass.h"

#include <stdio.h>

#include "common/token.h"

static const struct ask_param no_params[] = {{0}};

/* The one that a path has. */
static const char *path_value(const struct http_request *r)
{
	static const char *const names[] = {"name", "id", "key"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (*http_param(r, names[i]))
			return http_param(r, names[i]);
	}
	return "";
}

void pass_on(void *data, struct http_request *r)
{
	const struct pass *p = http_context(r);
	const char *value = path_value(r), *wild = strstr(p->subject, "%s");
	json_t *record = ask_query(r, p->query ? p->query : no_params);
	char subject[160];

	if (!record)
		return;
	if (p->body) {
		json_t *body = http_json(r);

		if (!body) {
			json_decref(record);
			return;
		}
		json_object_update(body, record);
		json_decref(record);
		record = body;
	}
	if (p->key)
		json_object_set_new(record, p->key, json_string(value));
	if (wild && !token_ok(value, strlen(value))) {
		json_decref(record);
		http_problem(r, 404, NULL, "\"%.100s\" can be no name here", value);
		return;
	}
	if (wild)
		snprintf(subject, sizeof(subject), "%.*s%s%s", (int)(wild - p->subject), p->subject, value,
				 wild + 2);
	else
		snprintf(subject, sizeof(subject), "%s", p->subject);
	ask_pass(data, r, p->status ? p->status : 200, subject, record);
}
