/*
 * The outbox's judge. It stands alone because every word of a row is a
 * stranger's, and meets a subject or a header here. A row that makes sense
 * becomes what `nats pub tasks.<type>` with the same facts would send, with the
 * id in Task-Id and Nats-Msg-Id: published twice it is one task.
 */
#include "store/outbox_row.h"

#include <stdio.h>
#include <strings.h>

#include "common/task.h"

static int add(struct outbox_message *m, const char *name, const char *value, struct err *e)
{
	if (m->nheaders == OUTBOX_HEADERS_MAX) {
		return err_set(e, ERR_INVALID, "headers: more than %d of them", OUTBOX_HEADERS_MAX);
	}
	m->headers[m->nheaders++] = (struct bus_header){name, value};
	return 0;
}

static int add_column(struct outbox_message *m, const char *name, const char *value, struct err *e)
{
	return value[0] != '\0' ? add(m, name, value, e) : 0;
}

/* ---- the column headers ---- */

static bool name_ok(const char *s)
{
	size_t len = strlen(s);
	for (size_t i = 0; i < len; i++) {
		bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
					 (s[i] >= '0' && s[i] <= '9');
		if (!plain && strchr("-_.", s[i]) == NULL) {
			return false;
		}
	}
	return len > 0 && len <= 128;
}

static bool value_ok(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			return false;
		}
	}
	return true;
}

static const struct {
	const char *header, *column;
} columns[] = {
	{H_TASK_ID, "id"},
	{H_MSG_ID, "id"},
	{H_TASK_PRIORITY, "priority"},
	{H_TASK_REQUIRES, "requires"},
	{H_TASK_AT, "run_at"},
	{H_TASK_PROJECT, "project"},
};

/* A header that has a column goes there, or two would speak for one fact. */
static int check_name(const char *name, struct err *e)
{
	if (!name_ok(name)) {
		return err_set(e, ERR_INVALID,
					   "headers: \"%.60s\" is no name of a header; letters, digits, - _ . make one",
					   name);
	}
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		if (strcasecmp(name, columns[i].header) == 0) {
			return err_set(e, ERR_INVALID, "headers: %s stands in the column %s", name,
						   columns[i].column);
		}
	}
	if (task_header_reserved(name)) {
		return err_set(e, ERR_INVALID, "headers: only the system itself may set %s", name);
	}
	return 0;
}

static const char *value_text(struct outbox_message *m, const json_t *v)
{
	if (json_is_string(v)) {
		return strlen(json_string_value(v)) == json_string_length(v) ? json_string_value(v) : NULL;
	}
	if (!json_is_number(v) && !json_is_boolean(v)) {
		return NULL;
	}
	if (m->ntexts == OUTBOX_HEADERS_MAX) {
		return ""; /* add() refuses them all */
	}
	return m->texts[m->ntexts++] = json_dumps(v, JSON_ENCODE_ANY);
}

static int add_headers(struct outbox_message *m, const struct outbox_row *row, struct err *e)
{
	json_error_t at;
	if (row->headers_len == 0) {
		return 0;
	}
	m->parsed = json_loadb(row->headers, row->headers_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &at);
	if (!json_is_object(m->parsed)) {
		return err_set(e, ERR_INVALID,
					   "headers: an object is expected: {\"Task-Timeout\": \"30s\"}");
	}
	const char *name;
	json_t *value;
	json_object_foreach (m->parsed, name, value) {
		if (check_name(name, e) < 0) {
			return e->code;
		}
		const char *text = value_text(m, value);
		if (text == NULL || !value_ok(text)) {
			return err_set(e, ERR_INVALID,
						   "headers: the value of %s is not one line of text or a number", name);
		}
		if (add(m, name, text, e) < 0) {
			return e->code;
		}
	}
	return 0;
}

/* ---- the row ---- */

static int add_columns(struct outbox_message *m, const struct outbox_row *row, struct err *e)
{
	if (row->run_wall_ns != 0) {
		time_format(row->run_wall_ns, m->at);
	}
	int rc = add(m, H_TASK_ID, row->id, e);
	if (rc == 0) {
		rc = add(m, H_MSG_ID, row->id, e);
	}
	if (rc == 0) {
		rc = add_column(m, H_TASK_PRIORITY, row->priority, e);
	}
	if (rc == 0) {
		rc = add_column(m, H_TASK_REQUIRES, row->requires, e);
	}
	if (rc == 0) {
		rc = add_column(m, H_TASK_PROJECT, row->project, e);
	}
	return rc == 0 ? add_column(m, H_TASK_AT, m->at, e) : rc;
}

int outbox_row_message(const struct outbox_row *row, struct outbox_message *ret, struct err *e)
{
	struct lane lane;
	struct task facts;
	*ret = (struct outbox_message){0};
	if (task_id_check(row->id, e) < 0 || token_check("type", row->type, e) < 0) {
		return e->code;
	}
	if (row->two_bodies) {
		return err_set(e, ERR_INVALID, "body and body_bytes exclude each other");
	}
	if (lane_make(row->type, row->requires, &lane, e) < 0) {
		return err_wrap(e, "requires");
	}
	if (!value_ok(row->project)) {
		return err_set(e, ERR_INVALID, "project: it holds a control character");
	}
	snprintf(ret->subject, sizeof(ret->subject), "tasks.%s", row->type);
	if (add_columns(ret, row, e) < 0 || add_headers(ret, row, e) < 0) {
		return e->code;
	}
	/* What the router would refuse is refused here: the author is nearer. */
	return task_read_headers(ret->headers, ret->nheaders, &facts, e);
}

void outbox_message_release(struct outbox_message *m)
{
	json_decref(m->parsed);
	for (size_t i = 0; i < m->ntexts; i++) {
		free(m->texts[i]);
	}
	*m = (struct outbox_message){0};
}
