/*
 * The keys of an http handler. It stands alone because what may be said there
 * is a matter of safety: a header's name and value, where secrets come from,
 * what a redirect would give away. Everything is checked when the node starts
 * (and by --check-config), with the line at fault.
 */
#include "node/handlers/http_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/section.h"

#define SECRET_MAX 16384
#define MAPS "headers,headers_env,headers_file,url_headers,tls,breaker,url"

static const struct config_key keys[] = {
	{"method", CONFIG_STRING, offsetof(struct http_config, method), "POST",
	 "GET, HEAD, POST, PUT, PATCH or DELETE"},
	{"content_type", CONFIG_STRING, offsetof(struct http_config, content_type), NULL,
	 "of bodies that name none"},
	{"connect_timeout", CONFIG_DURATION, offsetof(struct http_config, connect_timeout_ns), "10s",
	 "until it is connected; the rest is the task's timeout", NULL, NS_PER_MS, 600 * NS_PER_S},
	{"response", CONFIG_SIZE, offsetof(struct http_config, response_bytes), "1MiB",
	 "longest answer", NULL, 0, 1 << 30},
	{"redirects", CONFIG_INT, offsetof(struct http_config, redirects), "0", "how many are followed",
	 NULL, 0, 20},
	{"connections", CONFIG_INT, offsetof(struct http_config, host.connections), "10",
	 "to the host at once", NULL, 1, 1000},
	{"proxy", CONFIG_STRING, offsetof(struct http_config, proxy), NULL,
	 "address of a proxy; the environment's is not used"},
	{0},
};
static const struct config_key tls_keys[] = {
	{"ca", CONFIG_STRING, offsetof(struct http_config, ca), NULL, "authorities (PEM)"},
	{"cert", CONFIG_STRING, offsetof(struct http_config, cert), NULL, "our certificate (PEM)"},
	{"key", CONFIG_STRING, offsetof(struct http_config, key), NULL, "its private key (PEM)"},
	{"verify", CONFIG_BOOL, offsetof(struct http_config, verify), "true",
	 "whether the host must prove who it is"},
	{0},
};
static const struct config_key breaker_keys[] = {
	{"failures", CONFIG_INT, offsetof(struct http_config, host.breaker.failures), "5",
	 "in a row that open it; 0: never by that", NULL, 0, 100000},
	{"percent", CONFIG_INT, offsetof(struct http_config, host.breaker.percent), "50",
	 "of failures within the window that open it; 0: never by that", NULL, 0, 100},
	{"calls", CONFIG_INT, offsetof(struct http_config, host.breaker.calls), "20",
	 "that the window must have for it", NULL, 1, 1000000},
	{"window", CONFIG_DURATION, offsetof(struct http_config, host.breaker.window_ns), "30s",
	 "that is looked at", NULL, 100 * NS_PER_MS, 3600 * NS_PER_S},
	{"open", CONFIG_DURATION, offsetof(struct http_config, host.breaker.open_ns), "30s",
	 "how long it stays open", NULL, 100 * NS_PER_MS, 86400 * NS_PER_S},
	{"probes", CONFIG_INT, offsetof(struct http_config, host.breaker.probes), "1",
	 "that must go well to close it", NULL, 1, 1000},
	{0},
};

void http_config_release(struct http_config *c)
{
	section_release(keys, c);
	section_release(tls_keys, c);
	http_url_release(&c->url);
	strings_free(&c->headers);
}

bool http_config_sends_body(const struct http_config *c)
{
	return !str_eq(c->method, "GET") && !str_eq(c->method, "HEAD");
}

/* ---- headers ---- */

static bool name_ok(const char *name)
{
	for (const char *p = name; *p; p++) {
		bool alnum =
			(*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
		if (!alnum && !strchr("-_.", *p))
			return false;
	}
	return *name && strlen(name) <= 128;
}

/* Those that are ours, or libcurl's, to say. */
static bool name_taken(const char *name)
{
	static const char *const taken[] = {"Host",       "Content-Length", "Transfer-Encoding",
										"Connection", "Content-Type",   "Expect",
										"Task-Id",    "Task-Attempt",   "Idempotency-Key"};

	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (strcasecmp(name, taken[i]) == 0)
			return true;
	}
	return false;
}

static int add_header(struct http_config *c, const struct doc *d, const char *value, struct err *e)
{
	if (!name_ok(d->key))
		return err_set(e, ERR_INVALID, "line %u: \"%.64s\" is no header's name", d->line, d->key);
	if (name_taken(d->key))
		return err_set(e, ERR_INVALID, "line %u: header %s is set by the node itself", d->line,
					   d->key);
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < 0x20 && *p != '\t')
			return err_set(e, ERR_INVALID,
						   "line %u: header %s: its value holds a control character", d->line,
						   d->key);
	}
	/* Without a value libcurl would take it away; with ';' it sends it empty. */
	strings_add(&c->headers,
				*value ? xasprintf("%s: %s", d->key, value) : xasprintf("%s;", d->key));
	return 0;
}

static int value_of_file(const struct doc *d, char **ret, struct err *e)
{
	CLEANUP(free_ptr) char *text = xcalloc(1, SECRET_MAX + 1);
	int fd = open(d->scalar, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, SECRET_MAX + 1);
	int why = errno;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return err_set(e, ERR_INVALID, "line %u: %s: %s", d->line, d->scalar, strerror(why));
	if (n > SECRET_MAX)
		return err_set(e, ERR_INVALID, "line %u: %s: over %d bytes", d->line, d->scalar,
					   SECRET_MAX);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	*ret = TAKE(text);
	return 0;
}

static int value_of_env(const struct doc *d, char **ret, struct err *e)
{
	const char *value = getenv(d->scalar);

	if (!value)
		return err_set(e, ERR_INVALID, "line %u: the environment variable %s is not set", d->line,
					   d->scalar);
	*ret = xstrdup(value);
	return 0;
}

static int value_as_is(const struct doc *d, char **ret, struct err *e)
{
	(void)e;
	*ret = xstrdup(d->scalar);
	return 0;
}

static int read_headers(const struct doc *map, const char *key, struct http_config *c,
						int (*value_of)(const struct doc *d, char **ret, struct err *e),
						bool *ret_any_leaks, struct err *e)
{
	const struct doc *list = doc_get(map, key);

	if (!list)
		return 0;
	if (list->kind != DOC_MAP)
		return err_set(e, ERR_INVALID, "line %u: %s is a map of header names", list->line, key);
	for (const struct doc *d = list->child; d; d = d->next) {
		CLEANUP(free_ptr) char *value = NULL;
		if (d->kind != DOC_SCALAR)
			return err_set(e, ERR_INVALID, "line %u: %s takes one value", d->line, d->key);
		if (value_of(d, &value, e) || add_header(c, d, value, e))
			return ERR_INVALID;
		/* libcurl keeps these two from another host; the rest it would send there. */
		if (strcasecmp(d->key, "Authorization") != 0 && strcasecmp(d->key, "Cookie") != 0)
			*ret_any_leaks = true;
	}
	return 0;
}

static int read_all_headers(const struct doc *map, struct http_config *c, struct err *e)
{
	bool plain = false, leaks = false;

	if (read_headers(map, "headers", c, value_as_is, &plain, e) ||
		read_headers(map, "headers_env", c, value_of_env, &leaks, e) ||
		read_headers(map, "headers_file", c, value_of_file, &leaks, e))
		return ERR_INVALID;
	if (leaks && c->redirects)
		return err_set(e, ERR_INVALID,
					   "line %u: redirects with a secret in a header other than Authorization or "
					   "Cookie: it would be sent wherever a redirect leads",
					   doc_get(map, "redirects")->line);
	return 0;
}

/* ---- the rest ---- */

static int check_method(const struct doc *map, const struct http_config *c, struct err *e)
{
	const struct doc *d = doc_get(map, "method");

	if (!word_among("GET,HEAD,POST,PUT,PATCH,DELETE", c->method))
		return err_set(e, ERR_INVALID,
					   "line %u: method \"%.32s\" is none of GET, HEAD, POST, PUT, PATCH, DELETE",
					   d ? d->line : 0, c->method);
	return 0;
}

static int check_file(const struct doc *tls, const char *key, const char *path, struct err *e)
{
	if (path && access(path, R_OK) != 0)
		return err_set(e, ERR_INVALID, "line %u: tls: %s: %s: %s", doc_get(tls, key)->line, key,
					   path, strerror(errno));
	return 0;
}

static int read_tls(const struct doc *map, struct http_config *c, struct err *e)
{
	const struct doc *tls = doc_get(map, "tls");

	if (section_read(tls, tls_keys, NULL, c, e))
		return err_wrap(e, "tls");
	if (check_file(tls, "ca", c->ca, e) || check_file(tls, "cert", c->cert, e) ||
		check_file(tls, "key", c->key, e))
		return ERR_INVALID;
	if (!c->cert != !c->key)
		return err_set(e, ERR_INVALID, "line %u: tls: cert and key go together", tls->line);
	return 0;
}

static int read_url(const struct doc *map, struct http_config *c, struct err *e)
{
	CLEANUP(strings_free) char **allowed = NULL;
	const struct doc *url = doc_get(map, "url");

	if (section_list(map, "url_headers", &allowed, e))
		return ERR_INVALID;
	if (!url || url->kind != DOC_SCALAR)
		return err_set(e, ERR_INVALID, "line %u: url is missing: https://host/path",
					   map ? map->line : 0);
	if (http_url_read(url->scalar, allowed, &c->url, e))
		return err_wrap(e, "line %u", url->line);
	return 0;
}

int http_config_read(const struct doc *map, struct http_config *c, struct err *e)
{
	if (section_read(map, keys, SECTION_COMMON_KEYS "," MAPS, c, e))
		return e->code;
	if (read_url(map, c, e) || check_method(map, c, e) || read_tls(map, c, e))
		return e->code;
	if (section_read(doc_get(map, "breaker"), breaker_keys, NULL, c, e))
		return err_wrap(e, "breaker");
	return read_all_headers(map, c, e);
}
