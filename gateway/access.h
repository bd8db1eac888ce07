/* Who may do what, and how much of it: what is decided of a request before its body is read. */
#pragma once

#include "gateway/http.h"
#include "gateway/limits.h"
#include "gateway/tokens_file.h"

struct access_config {
	char *tokens_file; /* NULL: no tokens; everybody on this machine may do everything */
	char *hosts, *cors;
	int64_t rate_per_s, burst; /* of one client */
	int64_t requests_max;      /* under way at a time */
	/* for --new-token */
	char *new_token, *scope;
	int64_t expires_ns;
};

struct access {
	const struct access_config *config;
	const struct http_config *http;
	struct tokens_file tokens;
	struct limits limits;
};

/* What the table of keys cannot check: no tokens and an address that others reach, above all. */
MUST_CHECK int access_check(const struct access_config *c, const struct http_config *http,
							struct err *e);
MUST_CHECK int access_open(struct access *a, const struct access_config *c,
						   const struct http_config *http, struct err *e);
void access_release(struct access *a);
/*
 * Sets the request's scope. false: it was answered (204 to a browser that asks whether it may, 401, 403, 421,
 * 429, 503). route NULL: there is none.
 */
bool access_admit(struct access *a, const struct http *h, struct http_request *r,
				  const struct http_route *route);
/* --new-token: the line for the file on stdout, the token on stderr. */
MUST_CHECK int access_new_token(const struct access_config *c, struct err *e);
