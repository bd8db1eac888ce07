/*
 * CORS. It stands alone, for what is allowed here is what any page in a user's
 * browser may do: an origin is allowed when it is configured, letter by
 * letter, and credentials of the browser's own (cookies) never are: a page
 * must hold a token.
 */
#include "gateway/cors.h"

#include <stdio.h>

#define ORIGIN_MAX 255u
#define METHODS "GET, HEAD, POST, PUT, DELETE"
#define REQUEST_HEADERS \
	"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Range, *"
#define ANSWER_HEADERS \
	"Allow, ETag, Location, Retry-After, Task-Attempt, Task-Id, Task-State, WWW-Authenticate"

/* The next of a list, without blanks around it; false: there is none. *at goes on behind it. */
static bool next(const char **at, const char **ret, size_t *ret_len)
{
	*at += strspn(*at, " \t,");
	*ret = *at;
	*ret_len = strcspn(*at, ",");
	*at += *ret_len;
	while (*ret_len > 0 && strchr(" \t", (*ret)[*ret_len - 1]))
		(*ret_len)--;
	return *ret_len > 0;
}

/* "https://name" or "http://name:port", as browsers send it: no path, no end slash. */
static bool is_origin(const char *text, size_t len)
{
	const char *host = memmem(text, len, "://", 3);

	if (len == 1 && *text == '*')
		return true;
	if (!host || len > ORIGIN_MAX || (size_t)(host - text) + 3 == len)
		return false;
	for (const char *p = host + 3; p < text + len; p++) {
		if (*p <= ' ' || strchr("/?#@\\*\"", *p))
			return false;
	}
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.") >= (size_t)(host - text) &&
		   host > text;
}

int cors_check(const char *origins, struct err *e)
{
	const char *at = origins ? origins : "", *origin;
	size_t len;

	while (next(&at, &origin, &len)) {
		if (!is_origin(origin, len))
			return err_set(
				e, ERR_INVALID,
				"http.cors_origins: \"%.*s\" is no origin such as https://app.example or "
				"http://localhost:3000 (no path, no slash at the end), nor *",
				(int)MIN_OF(len, (size_t)ORIGIN_MAX), origin);
	}
	return 0;
}

bool cors_allows(const char *origins, const char *origin)
{
	const char *at = origins ? origins : "", *one;
	size_t len;

	if (!origin || !is_origin(origin, strlen(origin)))
		return false;
	while (next(&at, &one, &len)) {
		if ((len == 1 && *one == '*') || (len == strlen(origin) && strncmp(one, origin, len) == 0))
			return true;
	}
	return false;
}

bool cors_preflight(const char *origins, struct http_request *r)
{
	if (!str_eq(http_method(r), "OPTIONS") || !http_header(r, "Access-Control-Request-Method") ||
		!cors_allows(origins, http_header(r, "Origin")))
		return false;
	http_answer_header(r, "Access-Control-Allow-Methods", METHODS);
	http_answer_header(r, "Access-Control-Allow-Headers", REQUEST_HEADERS);
	http_answer_header(r, "Access-Control-Max-Age", "600");
	http_reply(r, 204, NULL, "", 0);
	return true;
}

void cors_decorate(const char *origins, struct http_request *r)
{
	const char *origin = http_header(r, "Origin");

	if (!origins || !*origins)
		return;
	http_answer_header(r, "Vary", "Origin");
	if (!cors_allows(origins, origin))
		return;
	http_answer_header(r, "Access-Control-Allow-Origin", origin);
	http_answer_header(r, "Access-Control-Expose-Headers", ANSWER_HEADERS);
}
