/*
 * The template of an address. It stands alone because it is where a
 * stranger's bytes become part of a request line: everything that is not
 * plainly harmless is percent-encoded, a value that is a path's step ("." or
 * "..") is refused, and what stands before the path is never a task's to say.
 */
#include "node/handlers/http_url.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "common/buf.h"

#define URL_MAX 4096

static bool listed(char *const *list, const char *name, size_t len)
{
	for (; list && *list; list++) {
		if (strlen(*list) == len && strncasecmp(*list, name, len) == 0)
			return true;
	}
	return false;
}

static bool placeholder_ok(const char *name, size_t len, char *const *allowed)
{
	static const char *const known[] = {"id", "type", "attempt"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strlen(known[i]) == len && memcmp(known[i], name, len) == 0)
			return true;
	}
	return len > 7 && memcmp(name, "header.", 7) == 0 && listed(allowed, name + 7, len - 7);
}

static int check_path(const char *path, char *const *allowed, struct err *e)
{
	for (const char *p = path; *p; p++) {
		size_t len = strcspn(p, "{}");
		for (size_t i = 0; i < len; i++) {
			if ((unsigned char)p[i] <= 0x20 || (unsigned char)p[i] > 0x7e)
				return err_set(e, ERR_INVALID,
							   "url: a blank or a byte beyond ASCII; write it as %%XX");
		}
		p += len;
		if (!*p)
			break;
		size_t name = strcspn(p + 1, "{}");
		if (*p == '}' || p[1 + name] != '}')
			return err_set(e, ERR_INVALID, "url: a brace without its other half");
		if (!placeholder_ok(p + 1, name, allowed))
			return err_set(e, ERR_INVALID,
						   "url: {%.*s} is none of {id}, {type}, {attempt}, or {header.NAME} of a "
						   "header that url_headers lists",
						   (int)MIN_OF(name, (size_t)60), p + 1);
		p += 1 + name;
	}
	return 0;
}

int http_url_read(const char *text, char *const *allowed, struct http_url *ret, struct err *e)
{
	bool tls = text && strncmp(text, "https://", 8) == 0;
	bool plain = text && strncmp(text, "http://", 7) == 0;

	if (!tls && !plain)
		return err_set(e, ERR_INVALID, "url: an address that begins with http:// or https://");
	if (strlen(text) > URL_MAX)
		return err_set(e, ERR_INVALID, "url: over %d bytes", URL_MAX);
	const char *host = text + (tls ? 8 : 7);
	size_t len = strcspn(host, "/?#");
	if (memchr(host, '@', len))
		return err_set(e, ERR_INVALID,
					   "url: no user or password in it (they end up in logs); use headers_file");
	if (memchr(host, '{', len))
		return err_set(e, ERR_INVALID,
					   "url: no placeholder in the host: a task may not say whom the "
					   "node speaks to");
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)host[i]) && !strchr("-._:[]", host[i]))
			return err_set(e, ERR_INVALID, "url: '%c' can't be in a host's name", host[i]);
	}
	if (len == 0)
		return err_set(e, ERR_INVALID, "url: the host is missing");
	if (strchr(host + len, '#'))
		return err_set(e, ERR_INVALID, "url: what follows # is never sent");
	if (check_path(host + len, allowed, e))
		return e->code;
	CLEANUP(free_ptr) char *name = xmemdup0(host, len);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	const char *closing = strrchr(name, ']'), *colon = strrchr(name, ':');
	bool port = colon && (!closing || colon > closing);
	ret->text = xstrdup(text);
	ret->authority = xasprintf("%s://%s%s", tls ? "https" : "http", name,
							   port  ? ""
							   : tls ? ":443"
									 : ":80");
	return 0;
}

void http_url_release(struct http_url *u)
{
	free(u->text);
	free(u->authority);
	*u = (struct http_url){0};
}

static const char *header_of(const struct handler_task *t, const char *name, size_t len)
{
	for (size_t i = 0; i < t->nheaders; i++) {
		if (strlen(t->headers[i].name) == len && strncasecmp(t->headers[i].name, name, len) == 0)
			return t->headers[i].value;
	}
	return NULL;
}

static int add_encoded(const char *name, size_t name_len, const char *value, struct buf *out,
					   struct err *e)
{
	if (!value || !*value || str_eq(value, ".") || str_eq(value, ".."))
		return err_set(e, ERR_INVALID, "the address needs {%.*s}, and the task %s", (int)name_len,
					   name, value && *value ? "has a step in a path there" : "has none");
	for (; *value; value++) {
		if (isalnum((unsigned char)*value) || strchr("-_~.", *value))
			buf_add(out, value, 1);
		else
			buf_printf(out, "%%%02X", (unsigned char)*value);
	}
	return 0;
}

int http_url_fill(const struct http_url *u, const struct handler_task *t, char **ret, struct err *e)
{
	CLEANUP(buf_release) struct buf out = {0};
	char attempt[16];

	snprintf(attempt, sizeof(attempt), "%u", t->attempt);
	for (const char *p = u->text; *p;) {
		size_t len = strcspn(p, "{");
		buf_add(&out, p, len);
		p += len;
		if (!*p)
			break;
		const char *name = p + 1;
		size_t n = strcspn(name, "}");
		const char *value = *name == 'i'   ? t->id
							: *name == 't' ? t->type
							: *name == 'a' ? attempt
										   : header_of(t, name + 7, n - 7);
		if (add_encoded(name, n, value, &out, e))
			return e->code;
		p = name + n + 1;
	}
	*ret = buf_take(&out);
	return 0;
}
