/*
 * HTTP as the gateway's files see it: routes, one exchange, its answer. The
 * server behind it is libmicrohttpd, driven by the loop; http*.c are the only
 * files that know it. Everything runs on the loop's thread.
 *
 * An exchange belongs to its handler from the call on until exactly one
 * http_reply, http_problem or http_reply_stream ended it, now or later; whether the
 * client is still there by then does not matter.
 */
#pragma once

#include <jansson.h>
#include <uv.h>

#include "common/buf.h"
#include "common/err.h"

struct http;
struct http_request;

/* What a token must allow. Each includes those before it. */
enum scope { SCOPE_NONE, SCOPE_READ, SCOPE_SUBMIT, SCOPE_OPERATE };

typedef void http_handler(void *data, struct http_request *r);

enum http_route_flags {
	HTTP_LARGE =
		1, /* its body may be larger than memory: over http.body_memory it goes to a file */
};

struct http_route {
	const char *method; /* GET serves HEAD, too */
	const char
		*path; /* "/api/v1/tasks/{id}"; a last "{key...}" takes what is left, slashes included */
	enum scope scope;
	http_handler *handler;
	unsigned flags;
	const void *context; /* the handler's own, for many routes with one handler */
};

/* ---- one exchange ---- */

const void *http_context(const struct http_request *r); /* its route's */

const char *http_method(const struct http_request *r);
const char *http_path(const struct http_request *r); /* decoded */
/* A piece of the path, decoded. Never NULL for a name that the route has. */
const char *http_param(const struct http_request *r, const char *name);
/* Of the query, decoded; NULL: not given. */
const char *http_query(const struct http_request *r, const char *name);
/* All of a name, joined with commas; "" where there is none. Returns owned. */
char *http_query_all(const struct http_request *r, const char *name);
const char *http_header(const struct http_request *r, const char *name);
/* Calls fn for each header, until it returns false. */
void http_each_header(const struct http_request *r,
					  bool (*fn)(void *data, const char *name, const char *value), void *data);
/* Of all of the query. */
void http_each_query(const struct http_request *r,
					 bool (*fn)(void *data, const char *name, const char *value), void *data);
/* The body where it is in memory; never NULL, followed by a NUL. */
const char *http_body(const struct http_request *r, size_t *ret_len);
/* Counts bytes that the handler keeps of it until the answer. false: http.memory is in use, and it was answered 503. */
bool http_hold(struct http_request *r, size_t bytes);
/* A file with the body where it is not in memory (HTTP_LARGE); -1: it is. Stays the exchange's. */
int http_body_file(const struct http_request *r, uint64_t *ret_len);
/* The address of the client, without its port. */
const char *http_peer(const struct http_request *r);
enum scope http_scope(const struct http_request *r);
void http_set_scope(struct http_request *r, enum scope scope); /* admit's */

/* ---- answers ---- */

/* Before the reply. Names and values of ours only: nothing that a stranger wrote with a line break. */
void http_answer_header(struct http_request *r, const char *name, const char *value);
bool http_answers_with(const struct http_request *r, const char *name);
/* data is copied. */
void http_reply(struct http_request *r, unsigned status, const char *content_type, const void *data,
				size_t len);
/* json is taken. */
void http_reply_json(struct http_request *r, unsigned status, json_t *json);
/*
 * RFC 9457; field (NULL: none) is the parameter, header or key at fault. 401 gets WWW-Authenticate,
 * 429 and 503 a Retry-After of 2 s unless the answer has one.
 */
void http_problem(struct http_request *r, unsigned status, const char *field, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* The status for an error's code, and what the sentence begins with as the field where that is a name. */
void http_fail(struct http_request *r, const struct err *e);

/* What our sentences name first: `"priority" must …`, `limit: …`; "" where it is no name. */
void http_field_of(const char *sentence, char ret[65]);

/* The body as one JSON object; NULL: it was answered 400. An empty body is {}. Returns owned. */
json_t *http_json(struct http_request *r);

struct http_stream {
	/* Puts up to max bytes at out. 0: nothing now (http_stream_wake when there is); -1: the end; -2: broken off. */
	ssize_t (*read)(void *data, char *out, size_t max);
	/* Once, last: sent, broken off, or the client is gone. */
	void (*on_close)(void *data);
	void *data;
};
/* len_bytes UINT64_MAX: not known. r may be used for http_stream_wake until on_close. */
void http_reply_stream(struct http_request *r, unsigned status, const char *content_type,
					   uint64_t len_bytes, const struct http_stream *s);
void http_stream_wake(struct http_request *r);
/* The client has hung up: whoever made the exchange wait may let go of it now. */
bool http_gone(const struct http_request *r);
bool http_is_stream(const struct http_request *r); /* its answer is one */

/* ---- the server ---- */

struct http_config {
	char *listen;             /* "127.0.0.1:8080", "[::1]:0" */
	char *tls_cert, *tls_key; /* PEM files; both or neither */
	char *body_dir;           /* where large bodies wait; NULL: $TMPDIR, else /tmp */
	int64_t connections_max;
	int64_t connections_per_peer;
	int64_t header_bytes; /* request line and headers of one request */
	int64_t
		body_memory_bytes; /* largest body that is kept in memory, and largest of routes that are not HTTP_LARGE */
	int64_t body_max_bytes; /* of HTTP_LARGE */
	int64_t memory_bytes;   /* of all bodies and answers that are held at a time */
	int64_t idle_ns;        /* a connection on which nothing moves */
	int64_t receive_ns;     /* from a request's first byte to its last */
};

struct http_events {
	/* Before the body is read; route NULL: there is none. false: it has answered. */
	bool (*admit)(void *data, struct http_request *r, const struct http_route *route);
	/* Headers that every answer gets. */
	void (*decorate)(void *data, struct http_request *r);
	/* The answer is out, or the client gone (status 0: before there was one). */
	void (*done)(void *data, struct http_request *r, unsigned status, int64_t took_ms);
};

/* Listens. routes: NULL-terminated list of tables, each ended by a route without a method; borrowed. */
MUST_CHECK int http_open(uv_loop_t *loop, const struct http_config *c,
						 const struct http_route *const *routes, const struct http_events *ev,
						 void *data, struct http **ret, struct err *e);
const char *http_url(const struct http *h); /* "http://127.0.0.1:8080" */
/* Takes no more connections; requests on those that are there get 503. */
void http_quiesce(struct http *h);
/* Exchanges whose answers are not out yet, from the end of their headers on. Streams without an end don't count. */
size_t http_open_requests(const struct http *h);
/* Exchanges that handlers have, their clients there or not. */
size_t http_owned(const struct http *h);
/* Bodies and answers in memory. */
uint64_t http_held_bytes(const struct http *h);
size_t http_connections(const struct http *h);
size_t http_streams(const struct http *h); /* answers that are under way as streams */
/* Breaks off what is left. Exchanges that handlers still own stay valid until answered. NULL is fine. */
void http_close(struct http **h);
