/*
 * One exchange, from its request line to its answer's last byte. It stands
 * alone because two owners share it: MHD's connection, which may vanish at
 * any moment, and the handler, which may answer long after. Each holds a
 * reference; whoever lets go last frees it.
 *
 *	HEADERS --routed, admitted--> BODY --complete--> OWNED --reply--> ANSWERED --queued--> SENDING
 *	   `--no route, refused, too large--------------------------------^
 *
 * While a handler owns it the connection is suspended: MHD neither reads nor
 * times it out, and http_reply resumes it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/http_internal.h"

static void unref(struct http_request *r)
{
	if (--r->refs)
		return;
	http_params_release(&r->params);
	buf_release(&r->body);
	if (r->body_fd >= 0)
		close(r->body_fd);
	for (size_t i = 0; i < r->nheaders; i++) {
		free(r->headers[i].name);
		free(r->headers[i].value);
	}
	free(r->headers);
	if (r->response)
		MHD_destroy_response(r->response);
	free(r->raw);
	free(r->path);
	free(r);
}

/* ---- MHD's side: begin ---- */

void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *c)
{
	struct http *h = cls;
	struct http_request *r = xcalloc(1, sizeof(*r));
	size_t len = strcspn(uri, "?");
	struct http_connection *conn = http_connection_of(c);

	*r = (struct http_request){.http = h, .connection = c, .refs = 1, .body_fd = -1};
	r->since_mono_ms = clock_mono_ms();
	r->raw = xmemdup0(uri, len);
	r->path = http_decode(uri, len);
	DL_APPEND(h->exchanges, r);
	if (conn)
		conn->since_mono_ms = 0;
	return r;
}

static void note_peer(struct http_request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	if (info && info->client_addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr,
				  r->peer, sizeof(r->peer));
	else if (info && info->client_addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6,
				  &((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr,
				  r->peer, sizeof(r->peer));
}

/* NULL: no route has the path; ret_allow tells the methods where one has, but not with this method. */
static const struct http_route *find_route(struct http_request *r, struct buf *allow)
{
	const char *method = str_eq(r->method, "HEAD") ? "GET" : r->method;
	struct http_params params = {0};

	for (const struct http_route *const *table = r->http->routes; *table; table++) {
		for (const struct http_route *route = *table; route->method; route++) {
			if (!http_path_match(route->path, r->raw, &params))
				continue;
			if (str_eq(route->method, method)) {
				r->params = params;
				return route;
			}
			http_params_release(&params);
			if (!allow->len || !strstr(allow->data, route->method))
				buf_printf(allow, "%s%s%s", allow->len ? ", " : "", route->method,
						   str_eq(route->method, "GET") ? ", HEAD" : "");
		}
	}
	return NULL;
}

static bool length_fits(struct http_request *r)
{
	const char *text = http_header(r, "Content-Length");
	int64_t max = r->route->flags & HTTP_LARGE ? r->http->config.body_max_bytes
											   : r->http->config.body_memory_bytes;

	if (!text || strtoull(text, NULL, 10) <= (unsigned long long)max)
		return true;
	http_problem(r, 413, NULL, "the body has %s bytes; at most %" PRId64 " are taken here", text,
				 max);
	return false;
}

/* Everything that can be refused before the body is read. */
static void open_exchange(struct http_request *r)
{
	CLEANUP(buf_release) struct buf allow = {0};

	if (!r->path) {
		http_problem(r, 400, "path",
					 "the path holds a broken %%-escape, a NUL, or what is no UTF-8");
		return;
	}
	if (r->http->quiescing) {
		http_problem(r, 503, NULL, "the gateway is ending");
		return;
	}
	r->route = find_route(r, &allow);
	/* Before it is known whether there is such a page: who may not look learns nothing. */
	if (!r->http->events.admit(r->http->data, r, r->route))
		return;
	if (!r->route && allow.len) {
		http_answer_header(r, "Allow", allow.data);
		http_problem(r, 405, "method", "%s is not for this path; %s %s", r->method, allow.data,
					 strchr(allow.data, ',') ? "are" : "is");
	} else if (!r->route) {
		http_problem(r, 404, NULL, "there is nothing at %s; /docs lists what there is", r->path);
	} else if (length_fits(r)) {
		r->state = EXCHANGE_BODY;
	}
}

/* ---- the body ---- */

/* A file without a name: nothing is left behind, however we end. */
static int open_spool(const struct http *h)
{
	const char *dir = h->config.body_dir ? h->config.body_dir : getenv("TMPDIR");
	CLEANUP(free_ptr) char *path = NULL;
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	path = xasprintf("%s/millrace-body-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(path);
	return fd;
}

static bool write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void take_body(struct http_request *r, const char *data, size_t len)
{
	const struct http_config *c = &r->http->config;
	bool large = r->route->flags & HTTP_LARGE;
	int64_t max = large ? c->body_max_bytes : c->body_memory_bytes;

	if (r->refuse_body)
		return;
	if (r->body_len + len > (uint64_t)max) {
		r->refuse_body = true;
		return;
	}
	if (large && r->body_fd < 0 && r->body_len + len > (uint64_t)c->body_memory_bytes) {
		r->body_fd = open_spool(r->http);
		if (r->body_fd < 0 || !write_all(r->body_fd, r->body.data, r->body.len)) {
			log_error("cannot keep a large body", LOG_S("why", strerror(errno)));
			r->refuse_body = true;
			return;
		}
		buf_release(&r->body);
	}
	r->body_len += len;
	if (r->body_fd < 0)
		buf_add(&r->body, data, len);
	else if (!write_all(r->body_fd, data, len))
		r->refuse_body = true;
}

static void refuse_body(struct http_request *r)
{
	bool large = r->route->flags & HTTP_LARGE;
	int64_t max = large ? r->http->config.body_max_bytes : r->http->config.body_memory_bytes;

	if (r->body_len + 1 > (uint64_t)max || r->body_fd < 0)
		http_problem(r, 413, NULL, "the body is over the limit of %" PRId64 " bytes", max);
	else
		http_problem(r, 507, NULL, "there is no room to keep the body while it is passed on");
}

/* ---- step ---- */

static void hand_over(struct http_request *r)
{
	r->state = EXCHANGE_OWNED;
	r->refs++; /* the handler's */
	r->counted = true;
	r->http->open_requests++;
	if (r->body_fd >= 0)
		(void)lseek(r->body_fd, 0, SEEK_SET);
	r->route->handler(r->http->data, r);
}

static enum MHD_Result queue(struct http_request *r)
{
	enum MHD_Result ok = MHD_queue_response(r->connection, r->status, r->response);

	r->state = EXCHANGE_SENDING;
	return ok;
}

enum MHD_Result exchange_step(void *cls UNUSED, struct MHD_Connection *c UNUSED,
							  const char *url UNUSED, const char *method,
							  const char *version UNUSED, const char *upload, size_t *upload_len,
							  void **con_cls)
{
	struct http_request *r = *con_cls;

	if (!r)
		return MHD_NO;
	if (r->state == EXCHANGE_HEADERS) {
		snprintf(r->method, sizeof(r->method), "%s", method);
		note_peer(r);
		open_exchange(r);
		if (r->state != EXCHANGE_ANSWERED)
			return MHD_YES;
	} else if (r->state == EXCHANGE_BODY && *upload_len > 0) {
		take_body(r, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	} else if (r->state == EXCHANGE_BODY) {
		if (r->refuse_body)
			refuse_body(r);
		else
			hand_over(r);
	}
	if (r->state == EXCHANGE_ANSWERED)
		return queue(r);
	if (r->state == EXCHANGE_OWNED && !r->suspended) {
		r->suspended = true;
		MHD_suspend_connection(r->connection);
	}
	return MHD_YES;
}

void exchange_end(void *cls UNUSED, struct MHD_Connection *c, void **con_cls,
				  enum MHD_RequestTerminationCode why UNUSED)
{
	struct http_request *r = *con_cls;
	struct http_connection *conn = http_connection_of(c);

	if (conn)
		conn->since_mono_ms = clock_mono_ms();
	if (!r)
		return;
	*con_cls = NULL;
	DL_DELETE(r->http->exchanges, r);
	if (r->counted) {
		r->counted = false;
		r->http->open_requests--;
	}
	if (r->http->events.done)
		r->http->events.done(r->http->data, r, r->status, clock_mono_ms() - r->since_mono_ms);
	if (r->is_stream && r->stream.on_close)
		r->stream.on_close(r->stream.data);
	r->http = NULL;
	r->connection = NULL;
	unref(r);
}

/* The handler answered, or let go. */
void exchange_answered(struct http_request *r)
{
	bool owned = r->state == EXCHANGE_OWNED;

	r->state = EXCHANGE_ANSWERED;
	if (r->counted) {
		r->counted = false;
		r->http->open_requests--;
	}
	if (r->suspended && r->connection) {
		r->suspended = false;
		MHD_resume_connection(r->connection);
		http_kick(r->http);
	}
	if (owned)
		unref(r);
}

void exchange_sweep(struct http *h, int64_t now_ms)
{
	int64_t allowed_ms = h->config.receive_ns / NS_PER_MS;

	for (struct http_request *r = h->exchanges; r; r = r->next) {
		/* What is large may take its time, as long as it keeps coming. */
		int64_t more_ms = (int64_t)(r->body_len / HTTP_SLOWEST_BYTES_PER_MS);
		const struct http_connection *conn;

		if (r->state > EXCHANGE_BODY || now_ms - r->since_mono_ms <= allowed_ms + more_ms)
			continue;
		conn = http_connection_of(r->connection);
		if (conn && conn->fd >= 0)
			shutdown(conn->fd, SHUT_RDWR);
	}
}

void exchange_abandon(struct http *h)
{
	for (struct http_request *r = h->exchanges; r; r = r->next) {
		if (r->suspended) {
			r->suspended = false;
			MHD_resume_connection(r->connection);
		}
	}
}
