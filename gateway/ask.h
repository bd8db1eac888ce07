/*
 * Questions to the components, as JSON on api.* and ctl.*. Whoever is away is
 * told as 503, with a sentence that names who should have answered.
 */
#pragma once

#include <jansson.h>

#include "gateway/http.h"

struct gateway;

struct ask_answer {
	unsigned status;  /* 200, or an error's */
	const char *why;  /* of an error: a sentence; else "" */
	const void *data; /* the reply's bytes, borrowed; JSON as the component wrote it */
	size_t len;
	const json_t *json; /* the same, read; NULL where it is no JSON or status is not 200 */
};
typedef void (*ask_on_answer)(void *data, const struct ask_answer *a);

/*
 * body is taken; NULL: an empty request. on_answer runs exactly once, never before this returned; when the
 * gateway ends, with 503, and what is asked then is not asked any more.
 */
void ask(struct gateway *g, const char *subject, json_t *body, ask_on_answer on_answer, void *data);

/* Answers r with what comes; body is taken. status_ok: of a good answer (200, 202 …). */
void ask_pass(struct gateway *g, struct http_request *r, unsigned status_ok, const char *subject,
			  json_t *body);
/* The same with the answer made over: shape returns owned JSON, from a's json. */
typedef json_t *(*ask_shape)(const struct http_request *r, const json_t *answer);
void ask_shaped(struct gateway *g, struct http_request *r, const char *subject, json_t *body,
				ask_shape shape);
/* Answers r with an error that came. */
void ask_fail(struct http_request *r, const struct ask_answer *a);

/* ---- requests out of queries ---- */

enum ask_kind { ASK_TEXT, ASK_NUMBER, ASK_BOOL, ASK_TIME, ASK_LIST };
struct ask_param {
	const char *query; /* its name in the URL */
	const char *key;   /* and in the record; NULL: the same */
	enum ask_kind kind;
};
/*
 * A record out of the parameters given (table ended by one without a name). NULL: r was answered
 * 400, as one is unknown or no such value. Returns owned.
 */
json_t *ask_query(struct http_request *r, const struct ask_param *table);
/* Where the values are read otherwise, or none may be given: false, r was answered 400 as by ask_query. */
bool ask_query_ok(struct http_request *r, const struct ask_param *table);
bool ask_no_query(struct http_request *r);
