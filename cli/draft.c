/*
 * Checks what a user wants to submit and turns it into headers. It stands
 * alone because it is pure: flags in, headers or a sentence out. Nothing that
 * could break a protocol line (a CRLF, a space in a name) passes here.
 */
#include "cli/draft.h"

#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/task.h"

#define UNIQUE_MAX 255

void draft_release(struct draft *d)
{
	for (size_t i = 0; i < d->nheaders; i++) {
		free((char *)d->headers[i].name);
		free((char *)d->headers[i].value);
	}
	d->nheaders = 0;
}

int draft_add(struct draft *d, const char *name, const char *value, struct err *e)
{
	if (d->nheaders == DRAFT_HEADERS_MAX)
		return err_set(e, ERR_FULL, "more than %d headers", DRAFT_HEADERS_MAX);
	d->headers[d->nheaders++] = (struct bus_header){.name = xstrdup(name), .value = xstrdup(value)};
	return 0;
}

/* RFC 9110's token characters, less what nobody needs. */
static bool header_name_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && c != '-' && c != '_' && c != '.')
			return false;
	}
	return len > 0 && len <= 128;
}

static bool header_value_ok(const char *value)
{
	for (; *value; value++) {
		if ((unsigned char)*value < 0x20 && *value != '\t')
			return false;
	}
	return true;
}

int draft_add_line(struct draft *d, const char *line, struct err *e)
{
	CLEANUP(free_ptr) char *name = NULL;
	const char *colon = strchr(line, ':');
	const char *value;

	if (!colon || !header_name_ok(line, (size_t)(colon - line)))
		return err_set(e, ERR_INVALID,
					   "header '%.60s': write it as Name:value, the name of letters, digits, - _ .",
					   line);
	name = xmemdup0(line, (size_t)(colon - line));
	value = colon + 1 + strspn(colon + 1, " ");
	if (!header_value_ok(value))
		return err_set(e, ERR_INVALID, "header %.60s: its value holds a control character", name);
	if (strcasecmp(name, H_TASK_ID) == 0 || strcasecmp(name, H_MSG_ID) == 0)
		return err_set(e, ERR_INVALID, "header %.60s: give the id by --id", name);
	if (task_header_reserved(name))
		return err_set(e, ERR_INVALID, "header %.60s: only the system itself may set it", name);
	return draft_add(d, name, value, e);
}

int draft_type(struct draft *d, const char *type, struct err *e)
{
	if (token_check("type", type, e))
		return ERR_INVALID;
	snprintf(d->type, sizeof(d->type), "%s", type);
	return 0;
}

int draft_id(struct draft *d, const char *id, struct err *e)
{
	if (task_id_check(id, e))
		return ERR_INVALID;
	snprintf(d->id, sizeof(d->id), "%s", id);
	if (draft_add(d, H_TASK_ID, id, e))
		return ERR_FULL;
	return draft_add(d, H_MSG_ID, id, e);
}

int draft_priority(struct draft *d, const char *text, struct err *e)
{
	enum task_class class;

	if (task_priority_parse(text, &class, e))
		return ERR_INVALID;
	return draft_add(d, H_TASK_PRIORITY, text, e);
}

int draft_requires(struct draft *d, const char *text, struct err *e)
{
	struct lane lane;

	if (lane_make(d->type, text, &lane, e))
		return ERR_INVALID;
	return draft_add(d, H_TASK_REQUIRES, text, e);
}

int draft_duration(struct draft *d, const char *name, const char *text, struct err *e)
{
	int64_t ns;

	if (duration_parse(text, &ns, e))
		return ERR_INVALID;
	return draft_add(d, name, text, e);
}

int draft_backoff(struct draft *d, const char *text, struct err *e)
{
	struct retry_rule rule = RETRY_RULE_DEFAULT;

	if (backoff_parse(text, &rule, e))
		return ERR_INVALID;
	return draft_add(d, H_TASK_BACKOFF, text, e);
}

int draft_at(struct draft *d, const char *text, struct err *e)
{
	int64_t at;

	if (time_parse(text, &at, e))
		return ERR_INVALID;
	return draft_add(d, H_TASK_AT, text, e);
}

int draft_expires(struct draft *d, const char *text, struct err *e)
{
	struct bus_header h = {H_TASK_EXPIRES, text};
	struct task t;

	if (task_read_headers(&h, 1, &t, e))
		return ERR_INVALID;
	return draft_add(d, H_TASK_EXPIRES, text, e);
}

int draft_unique(struct draft *d, const char *text, struct err *e)
{
	CLEANUP(free_ptr) char *key = xstrdup(text);
	char *colon = strrchr(key, ':');
	int64_t ns;

	if (colon && duration_parse(colon + 1, &ns, NULL) == 0) {
		*colon = '\0';
		if (draft_add(d, H_TASK_UNIQUE_FOR, colon + 1, e))
			return ERR_FULL;
	}
	if (!*key || strlen(key) > UNIQUE_MAX || !header_value_ok(key))
		return err_set(e, ERR_INVALID, "a key of 1 to %d bytes, without control characters",
					   UNIQUE_MAX);
	return draft_add(d, H_TASK_UNIQUE, key, e);
}

int draft_result_expires(struct draft *d, const char *text, struct err *e)
{
	int64_t ns;

	if (strcasecmp(text, "never") != 0 && duration_parse(text, &ns, e))
		return ERR_INVALID;
	return draft_add(d, H_TASK_RESULT_EXPIRES, text, e);
}
