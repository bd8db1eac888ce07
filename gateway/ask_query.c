/* A request's record out of the parameters of a URL, by table. It stands alone because every list has one. */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "gateway/ask.h"

struct reading {
	struct http_request *request;
	const struct ask_param *table;
	json_t *record;
	bool failed;
};

static bool fail(struct reading *x, const char *name, const char *wanted, const char *value)
{
	x->failed = true;
	http_problem(x->request, 400, name, "%s: must be %s, not \"%.100s\"", name, wanted, value);
	return false;
}

static bool put_list(json_t *record, const char *key, const char *value)
{
	json_t *list = json_object_get(record, key);

	if (!list)
		json_object_set_new(record, key, list = json_array());
	for (const char *at = value; *at;) {
		size_t len = strcspn(at, ",");

		if (len > 0)
			json_array_append_new(list, json_stringn(at, len));
		at += len + (at[len] == ',');
	}
	return true;
}

static bool put(struct reading *x, const struct ask_param *p, const char *value)
{
	const char *key = p->key ? p->key : p->query;
	int64_t at;
	char *end;

	switch (p->kind) {
	case ASK_NUMBER:
		errno = 0;
		long long n = strtoll(value, &end, 10);
		if (errno || end == value || *end || n < 0)
			return fail(x, p->query, "a number, 0 or more", value);
		json_object_set_new(x->record, key, json_integer(n));
		return true;
	case ASK_BOOL:
		if (!str_eq(value, "true") && !str_eq(value, "false") && !str_eq(value, "1") &&
			!str_eq(value, "0"))
			return fail(x, p->query, "true or false", value);
		json_object_set_new(x->record, key, json_boolean(*value == 't' || *value == '1'));
		return true;
	case ASK_TIME:
		if (time_parse(value, &at, NULL))
			return fail(x, p->query, "a time such as 2026-01-02T03:04:05Z", value);
		break;
	case ASK_LIST:
		return put_list(x->record, key, value);
	case ASK_TEXT:
		break;
	}
	json_object_set_new(x->record, key, json_string(value));
	return true;
}

static bool on_query(void *data, const char *name, const char *value)
{
	struct reading *x = data;

	for (const struct ask_param *p = x->table; p->query; p++) {
		if (!str_eq(p->query, name))
			continue;
		if (p->kind != ASK_LIST && json_object_get(x->record, p->key ? p->key : p->query)) {
			x->failed = true;
			http_problem(x->request, 400, name, "%s: it is given twice", name);
			return false;
		}
		/* An empty one is none: a form's field that was left alone. */
		return *value == '\0' || put(x, p, value);
	}
	x->failed = true;
	http_problem(x->request, 400, name, "%.64s: there is no such parameter here", name);
	return false;
}

json_t *ask_query(struct http_request *r, const struct ask_param *table)
{
	struct reading x = {.request = r, .table = table, .record = json_object()};

	http_each_query(r, on_query, &x);
	if (x.failed) {
		json_decref(x.record);
		return NULL;
	}
	return x.record;
}

bool ask_query_ok(struct http_request *r, const struct ask_param *table)
{
	json_t *given = ask_query(r, table);

	json_decref(given);
	return given;
}

bool ask_no_query(struct http_request *r)
{
	static const struct ask_param none[] = {{0}};

	return ask_query_ok(r, none);
}
