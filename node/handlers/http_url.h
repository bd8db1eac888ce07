/*
 * The address of an http handler: fixed, but for placeholders in its path and
 * query that a task fills. Scheme, host and port can hold none: a task never
 * says whom the node speaks to. Pure.
 */
#pragma once

#include "node/handler.h"

struct http_url {
	char *text;      /* as configured */
	char *authority; /* "https://api.example.com:443": scheme, host in lower case, port */
};

/*
 * Placeholders: {id} {type} {attempt}, and {header.NAME} for the headers that allowed lists (NULL:
 * none). ERR_INVALID says what is wrong with it.
 */
MUST_CHECK int http_url_read(const char *text, char *const *allowed, struct http_url *ret,
							 struct err *e);
void http_url_release(struct http_url *u);
/*
 * Owned; values are percent-encoded but for letters, digits and -_~. between others. ERR_INVALID:
 * the task has no such header, or its value is empty or would be a step in the path ("..").
 */
MUST_CHECK int http_url_fill(const struct http_url *u, const struct handler_task *t, char **ret,
							 struct err *e);
