/* HTTP requests of many users on one loop, each user with a connection of its own that is kept. */
#pragma once

#include "common/buf.h"
#include "common/curl_loop.h"

struct users_client;
struct users_request;

/* ERR_INVALID: url is none. users: how many requests there will be. */
MUST_CHECK int users_client_open(uv_loop_t *loop, const char *url, const char *token,
								 unsigned users, struct users_client **ret, struct err *e);
/* After its requests. on_closed runs when nothing of it is left on the loop. */
void users_client_close(struct users_client **c, void (*on_closed)(void *data), void *data);

struct users_reply {
	long status; /* 0: none came */
	const char *body;
	size_t len;
	const char *retry_after; /* "" where absent */
	const char *error;       /* status 0: why */
	bool late;               /* status 0: for nothing came in time */
};
typedef void (*users_on_reply)(void *data, const struct users_reply *r);

/* One of a user's, for one exchange after the other. */
struct users_request *users_request_new(struct users_client *c, users_on_reply on_reply,
										void *data);
/* path is copied; body (JSON; NULL: a GET) is borrowed until on_reply. on_reply never runs before it returned. */
void users_request_send(struct users_request *r, const char *path, const char *body,
						int64_t timeout_ms);
/* One that is under way is broken off: on_reply will not run. */
void users_request_free(struct users_request **r);
