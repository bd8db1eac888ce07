/*
 * Who may do what, and how much of it. It stands alone as the one door: the
 * server asks it for every request, before its body is read.
 *
 * With tokens a request needs one that allows what the route does. Without, the listening address is this machine's
 * alone, and the danger is a stranger's page in a browser on it: such a page can send requests here, though not read
 * answers. So then the Host must be one of ours (a name that was made to point here is not), and what
 * changes something must not come from another page. Programs send neither Origin nor Sec-Fetch-Site.
 *
 * Routes that need no scope (/livez, the page) are always answered, whatever the load.
 */
#include "gateway/access.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/http_listen.h"
#include "gateway/cors.h"
#include "gateway/origin.h"

#define HOW_TO_MAKE_ONE                                                                  \
	"millrace-gateway --new-token NAME --scope operate >> FILE makes one; name it with " \
	"--http-tokens-file FILE"

int access_check(const struct access_config *c, const struct http_config *http, struct err *e)
{
	enum scope scope;
	bool loopback;

	if (http_listen_is_loopback(http->listen, &loopback, e))
		return e->code;
	if (!loopback && !c->tokens_file)
		return err_set(e, ERR_INVALID,
					   "http.listen: %s can be reached by others than this machine, which needs a "
					   "file of tokens: " HOW_TO_MAKE_ONE,
					   http->listen);
	if (!c->tokens_file && cors_allows(c->cors, "https://any.invalid"))
		return err_set(e, ERR_INVALID,
					   "http.cors_origins: * would let every page in a browser on this machine do "
					   "everything here; name the origins, or set http.tokens_file");
	if (c->tokens_file) {
		struct tokens_file f;

		if (tokens_file_open(&f, c->tokens_file, e))
			return e->code;
		tokens_file_release(&f);
	}
	return scope_parse(c->scope, &scope, e);
}

int access_open(struct access *a, const struct access_config *c, const struct http_config *http,
				struct err *e)
{
	bool loopback = true;

	*a = (struct access){
		.config = c, .http = http, .limits = {.rate_per_s = c->rate_per_s, .burst = c->burst}};
	if (c->tokens_file && tokens_file_open(&a->tokens, c->tokens_file, e))
		return e->code;
	if (c->tokens_file && a->tokens.tokens.n == 0)
		log_warn("the file of tokens names none: every request is refused",
				 LOG_S("file", c->tokens_file));
	if (!http->tls_cert && http_listen_is_loopback(http->listen, &loopback, NULL) == 0 && !loopback)
		log_warn("tokens cross the network as they are; set http.tls_cert and http.tls_key, or put "
				 "a proxy with TLS before it",
				 LOG_S("listen", http->listen));
	return 0;
}

void access_release(struct access *a)
{
	tokens_file_release(&a->tokens);
	limits_release(&a->limits);
}

/* ---- browsers ---- */

static bool changes(const struct http_request *r)
{
	return !str_eq(http_method(r), "GET") && !str_eq(http_method(r), "HEAD");
}

static bool from_here(const struct access *a, struct http_request *r)
{
	const char *host = http_header(r, "Host"), *origin = http_header(r, "Origin"),
			   *site = http_header(r, "Sec-Fetch-Site");

	if (host && !origin_host_ok(host, a->http->listen, a->config->hosts)) {
		http_problem(r, 421, "Host",
					 "\"%.100s\" is no name of this gateway; http.hosts lists others than this "
					 "machine's",
					 host);
		return false;
	}
	if (!changes(r) || (origin && cors_allows(a->config->cors, origin)))
		return true;
	if ((origin && !(host && origin_is_host(origin, host))) ||
		(site && !str_eq(site, "same-origin") && !str_eq(site, "none"))) {
		http_problem(
			r, 403, origin ? "Origin" : "Sec-Fetch-Site",
			"a page of another site may change nothing here; http.cors_origins lists those that "
			"may");
		return false;
	}
	return true;
}

/* ---- load ---- */

static bool has_room(const struct access *a, const struct http *h, struct http_request *r)
{
	if (http_owned(h) >= (size_t)a->config->requests_max) {
		http_problem(r, 429, NULL,
					 "%" PRId64 " requests are under way, as many as there may be; try again",
					 a->config->requests_max);
		return false;
	}
	if (http_held_bytes(h) > (uint64_t)a->http->memory_bytes) {
		http_problem(r, 503, NULL, "all of http.memory is in use; try again");
		return false;
	}
	return true;
}

static bool within_rate(struct access *a, struct http_request *r, const char *key)
{
	int64_t wait_ms;
	char seconds[24];

	if (limits_take(&a->limits, key, clock_mono_ms(), &wait_ms))
		return true;
	snprintf(seconds, sizeof(seconds), "%" PRId64, (wait_ms + 999) / 1000);
	http_answer_header(r, "Retry-After", seconds);
	http_problem(r, 429, NULL, "over %" PRId64 " requests a second; try again in %s s",
				 a->config->rate_per_s, seconds);
	return false;
}

static bool may_ask_often(struct access *a, struct http_request *r, const struct token *t)
{
	char key[LIMITS_KEY_MAX];

	/* Without tokens whoever asks is this machine's own. */
	if (!a->tokens.path)
		return true;
	limits_key_of(http_peer(r), key);
	if (!within_rate(a, r, key))
		return false;
	if (!t)
		return true;
	snprintf(key, sizeof(key), "token %s", t->name);
	return within_rate(a, r, key);
}

/* ---- tokens ---- */

static const struct token *token_of(struct access *a, struct http_request *r)
{
	const char *authorization = http_header(r, "Authorization");
	const char *secret = authorization ? bearer_of(authorization) : NULL;

	tokens_file_look(&a->tokens, clock_mono_ms());
	return secret ? tokens_find(&a->tokens.tokens, secret) : NULL;
}

static bool allowed(struct http_request *r, const struct token *t, enum scope need)
{
	if (!t) {
		const char *given = http_header(r, "Authorization");

		if (given)
			http_answer_header(r, "WWW-Authenticate",
							   "Bearer realm=\"millrace\", error=\"invalid_token\"");
		http_problem(r, 401, "Authorization",
					 given ? "this token is not known here"
						   : "a token is needed: Authorization: Bearer TOKEN");
		return false;
	}
	if (t->expires_wall_ns && t->expires_wall_ns <= clock_wall_ns()) {
		http_answer_header(r, "WWW-Authenticate",
						   "Bearer realm=\"millrace\", error=\"invalid_token\"");
		http_problem(r, 401, "Authorization", "the token %s has expired", t->name);
		return false;
	}
	if (t->scope < need) {
		http_problem(r, 403, "Authorization", "this needs the scope %s; the token %s has %s",
					 scope_name(need), t->name, scope_name(t->scope));
		return false;
	}
	return true;
}

/* Of who looks at what is open to all: nobody is refused, but who may read is told more. */
static enum scope scope_unasked(struct access *a, struct http_request *r)
{
	const char *host = http_header(r, "Host");
	const struct token *t = a->tokens.path ? token_of(a, r) : NULL;

	if (t)
		return t->expires_wall_ns && t->expires_wall_ns <= clock_wall_ns() ? SCOPE_NONE : t->scope;
	if (a->tokens.path || (host && !origin_host_ok(host, a->http->listen, a->config->hosts)))
		return SCOPE_NONE;
	return SCOPE_OPERATE;
}

bool access_admit(struct access *a, const struct http *h, struct http_request *r,
				  const struct http_route *route)
{
	/* What there is not is told to who may look. */
	enum scope need = route ? route->scope : SCOPE_READ;
	const struct token *t = NULL;

	if (cors_preflight(a->config->cors, r))
		return false;
	if (need == SCOPE_NONE) {
		http_set_scope(r, scope_unasked(a, r));
		return true;
	}
	if (a->tokens.path)
		t = token_of(a, r);
	else if (!from_here(a, r))
		return false;
	if (!may_ask_often(a, r, t) || (a->tokens.path && !allowed(r, t, need)) || !has_room(a, h, r))
		return false;
	http_set_scope(r, t ? t->scope : SCOPE_OPERATE);
	return true;
}

/* ---- making one ---- */

int access_new_token(const struct access_config *c, struct err *e)
{
	char secret[TOKEN_SECRET_LEN + 1], line[256];
	enum scope scope;

	if (scope_parse(c->scope, &scope, e) ||
		token_make(c->new_token, scope, c->expires_ns ? clock_wall_ns() + c->expires_ns : 0, secret,
				   line, e))
		return e->code;
	printf("%s\n", line);
	fprintf(stderr, "token %s (%s), shown this once; the line is for http.tokens_file:\n%s\n",
			c->new_token, c->scope, secret);
	return 0;
}
