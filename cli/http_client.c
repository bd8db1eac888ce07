/*
 * The edge to HTTP. It stands alone because what a bench measures must be the
 * gateway and not the client: a handle and a connection per user, made once.
 * (The doctor asks by it as well.)
 *
 * libcurl shares its connections among all who ask the same host, and looks
 * through all of them for each request. So each asker asks a host of its own
 * name, whose address is the gateway's (with the right Host header). Not so
 * with https, where the name is what the certificate says: there connections
 * are shared.
 *
 * Goes well: status, body, Retry-After. Fails: no connection, a reset,
 * nothing in time; that is status 0 and libcurl's words.
 */
#include "cli/http_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#define CONNECT_MS 10000
#define REPLY_MOST (1 << 20)

struct http_client {
	struct curl_loop *curl;
	uv_loop_t *loop;
	char *scheme, *host, *port, *path; /* of the URL; the path without a slash at its end */
	struct curl_slist *headers;
	char *address; /* of the host, as a number; NULL: names are libcurl's to look up */
	unsigned made;
};

struct http_exchange {
	struct http_client *client;
	struct curl_transfer transfer;
	unsigned number;
	struct curl_slist *resolve; /* its own host's address */
	http_on_reply on_reply;
	void *data;
	struct buf reply;
	char retry_after[64], error[CURL_ERROR_SIZE];
	uv_timer_t *broken; /* a request that could not even begin is told later */
	bool under_way;
};

/* ---- where to ---- */

static char *part_of(CURLU *u, CURLUPart part, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(u, part, &text, flags) != CURLUE_OK)
		return xstrdup("");
	copy = xstrdup(text);
	curl_free(text);
	return copy;
}

static int read_url(struct http_client *c, const char *url, struct err *e)
{
	CURLU *u = curl_url();
	CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, 0);

	if (rc == CURLUE_OK) {
		c->scheme = part_of(u, CURLUPART_SCHEME, 0);
		c->host = part_of(u, CURLUPART_HOST, 0);
		c->port = part_of(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
		c->path = part_of(u, CURLUPART_PATH, 0);
	}
	curl_url_cleanup(u);
	if (rc != CURLUE_OK || (!str_eq(c->scheme, "http") && !str_eq(c->scheme, "https")))
		return err_set(e, ERR_INVALID, "'%s' is no address such as http://127.0.0.1:8080", url);
	for (size_t len = strlen(c->path); len > 0 && c->path[len - 1] == '/';)
		c->path[--len] = '\0';
	return 0;
}

static void add_header(struct http_client *c, const char *line)
{
	struct curl_slist *more = curl_slist_append(c->headers, line);

	c->headers = more ? more : c->headers;
}

static void free_client(struct http_client *c)
{
	curl_slist_free_all(c->headers);
	free(c->address);
	free(c->scheme);
	free(c->host);
	free(c->port);
	free(c->path);
	free(c);
}

/* Waits: nothing else goes on before it is known. */
static int look_up(struct http_client *c, struct err *e)
{
	CLEANUP(free_ptr) char *host = xstrdup(c->host);
	size_t len = strlen(host);
	uv_getaddrinfo_t r;
	char text[INET6_ADDRSTRLEN] = "";
	int rc;

	if (len > 2 && host[0] == '[') { /* an IPv6 address, as URLs write it */
		memmove(host, host + 1, len - 2);
		host[len - 2] = '\0';
	}
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	rc = uv_getaddrinfo(c->loop, &r, NULL, host, c->port, &hints);
	if (rc < 0)
		return err_set(e, ERR_UNREACHABLE, "%s: %s", c->host, uv_strerror(rc));
	bool six = r.addrinfo->ai_family == AF_INET6;
	if (six)
		uv_ip6_name((const struct sockaddr_in6 *)(const void *)r.addrinfo->ai_addr, text,
					sizeof(text));
	else
		uv_ip4_name((const struct sockaddr_in *)(const void *)r.addrinfo->ai_addr, text,
					sizeof(text));
	uv_freeaddrinfo(r.addrinfo);
	c->address = xasprintf("%s%s%s", six ? "[" : "", text, six ? "]" : "");
	return 0;
}

int http_client_open(uv_loop_t *loop, const char *url, const char *token, unsigned users,
					 struct http_client **ret, struct err *e)
{
	struct http_client *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	if (read_url(c, url, e)) {
		free_client(c);
		return e->code;
	}
	add_header(c, "Content-Type: application/json");
	add_header(c, "Expect:");
	if (token) {
		CLEANUP(free_ptr) char *line = xasprintf("Authorization: Bearer %s", token);
		add_header(c, line);
	}
	if (str_eq(c->scheme, "http")) {
		CLEANUP(free_ptr) char *host = xasprintf("Host: %s:%s", c->host, c->port);

		add_header(c, host);
		if (look_up(c, e)) {
			free_client(c);
			return e->code;
		}
	}
	/* Room for all of them to be kept. */
	c->curl = curl_loop_open(loop, (long)users + 16);
	*ret = c;
	return 0;
}

struct closing {
	struct http_client *client;
	void (*on_closed)(void *data);
	void *data;
};

static void on_curl_closed(void *data)
{
	struct closing *c = data;

	free_client(c->client);
	if (c->on_closed)
		c->on_closed(c->data);
	free(c);
}

void http_client_close(struct http_client **client, void (*on_closed)(void *data), void *data)
{
	struct closing *c = xcalloc(1, sizeof(*c));

	*c = (struct closing){.client = TAKE(*client), .on_closed = on_closed, .data = data};
	curl_loop_close(&c->client->curl, on_curl_closed, c);
}

/* ---- libcurl's callbacks ---- */

static size_t on_bytes(char *bytes, size_t one, size_t len, void *data)
{
	struct http_exchange *r = data;

	(void)one; /* always 1 */
	if (r->reply.len + len > REPLY_MOST)
		return CURL_WRITEFUNC_ERROR;
	buf_add(&r->reply, bytes, len);
	return len;
}

static size_t on_header(char *line, size_t one, size_t len, void *data)
{
	static const char name[] = "retry-after:";
	struct http_exchange *r = data;
	size_t at = sizeof(name) - 1, end = len;

	(void)one;
	if (len <= at || strncasecmp(line, name, at) != 0)
		return len;
	while (end > at && (unsigned char)line[end - 1] <= ' ')
		end--;
	while (at < end && line[at] == ' ')
		at++;
	snprintf(r->retry_after, sizeof(r->retry_after), "%.*s", (int)MIN_OF(end - at, (size_t)63),
			 line + at);
	return len;
}

static void tell(struct http_exchange *r, CURLcode how)
{
	struct http_reply reply = {.body = r->reply.data ? r->reply.data : "",
							   .len = r->reply.len,
							   .retry_after = r->retry_after,
							   .error = ""};

	r->under_way = false;
	if (how == CURLE_OK)
		curl_easy_getinfo(r->transfer.easy, CURLINFO_RESPONSE_CODE, &reply.status);
	else
		reply.error = *r->error ? r->error : curl_easy_strerror(how);
	reply.late = how == CURLE_OPERATION_TIMEDOUT;
	r->on_reply(r->data, &reply);
}

static void on_end(struct curl_transfer *t, CURLcode how)
{
	tell(container_of(t, struct http_exchange, transfer), how);
}

/* ---- requests ---- */

struct http_exchange *http_exchange_new(struct http_client *c, http_on_reply on_reply, void *data)
{
	struct http_exchange *r = xcalloc(1, sizeof(*r));
	CURL *easy = curl_easy_init();

	if (!easy)
		abort(); /* as without memory elsewhere */
	*r = (struct http_exchange){.client = c,
								.number = c->made++,
								.on_reply = on_reply,
								.data = data,
								.transfer = {.easy = easy, .on_end = on_end}};
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	if (c->address) {
		CLEANUP(free_ptr)
		char *entry = xasprintf("client-%u.invalid:%s:%s", r->number, c->port, c->address);
		r->resolve = curl_slist_append(NULL, entry);
		curl_easy_setopt(easy, CURLOPT_RESOLVE, r->resolve);
	}
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, r);
	return r;
}

static void set_url(struct http_exchange *r, const char *path)
{
	const struct http_client *c = r->client;
	CLEANUP(free_ptr) char *url = NULL;

	if (c->address)
		url = xasprintf("%s://client-%u.invalid:%s%s%s", c->scheme, r->number, c->port, c->path,
						path);
	else
		url = xasprintf("%s://%s:%s%s%s", c->scheme, c->host, c->port, c->path, path);
	curl_easy_setopt(r->transfer.easy, CURLOPT_URL, url);
}

static void on_timer_closed(uv_handle_t *t)
{
	free(t);
}

static void on_broken(uv_timer_t *t)
{
	struct http_exchange *r = t->data;

	r->broken = NULL;
	uv_close((uv_handle_t *)t, on_timer_closed);
	tell(r, CURLE_FAILED_INIT);
}

void http_exchange_send(struct http_exchange *r, const char *path, const char *body,
						int64_t timeout_ms)
{
	CURL *easy = r->transfer.easy;
	struct err e;

	buf_release(&r->reply);
	r->reply = (struct buf){0};
	r->retry_after[0] = r->error[0] = '\0';
	set_url(r, path);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	if (body) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	} else {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	}
	r->under_way = true;
	if (curl_loop_start(r->client->curl, &r->transfer, &e) == 0)
		return;
	r->under_way = false;
	snprintf(r->error, sizeof(r->error), "%.250s", e.text);
	r->broken = xcalloc(1, sizeof(*r->broken));
	uv_timer_init(r->client->loop, r->broken);
	r->broken->data = r;
	uv_timer_start(r->broken, on_broken, 0, 0);
}

void http_exchange_free(struct http_exchange **request)
{
	struct http_exchange *r = TAKE(*request);

	if (!r)
		return;
	if (r->under_way)
		curl_loop_abort(r->client->curl, &r->transfer);
	if (r->broken)
		uv_close((uv_handle_t *)r->broken, on_timer_closed);
	curl_easy_cleanup(r->transfer.easy);
	curl_slist_free_all(r->resolve);
	buf_release(&r->reply);
	free(r);
}
