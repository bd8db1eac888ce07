/*
 * Requests to a gateway, on the loop: many at once, each asker with a connection of its own that is
 * kept.
 */
#pragma once

#include "common/buf.h"
#include "common/curl_loop.h"

struct http_client;
struct http_exchange;

/* ERR_INVALID: url is none. users: how many requests there will be. */
MUST_CHECK int http_client_open(uv_loop_t *loop, const char *url, const char *token, unsigned users,
								struct http_client **ret, struct err *e);
/* After its requests. on_closed runs when nothing of it is left on the loop. */
void http_client_close(struct http_client **c, void (*on_closed)(void *data), void *data);

struct http_reply {
	long status; /* 0: none came */
	const char *body;
	size_t len;
	const char *retry_after; /* "" where absent */
	const char *error;       /* status 0: why */
	bool late;               /* status 0: for nothing came in time */
};
typedef void (*http_on_reply)(void *data, const struct http_reply *r);

/* One of a user's, for one exchange after the other. */
struct http_exchange *http_exchange_new(struct http_client *c, http_on_reply on_reply, void *data);
/* path is copied; body (JSON; NULL: a GET) is borrowed until on_reply. on_reply never runs before it returned. */
void http_exchange_send(struct http_exchange *r, const char *path, const char *body,
						int64_t timeout_ms);
/* One that is under way is broken off: on_reply will not run. */
void http_exchange_free(struct http_exchange **r);
