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
 * times it out, and http_reply resumes it. As MHD does not see then that the
 * client hangs up, the sweep looks. What is refused before its body came is answered
 * after it where the body is small, since MHD would otherwise close the connection.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "common/clock.h"
#include "gateway/http_internal.h"

void exchange_hold(struct http_request *r, int64_t bytes)
{
	r->held_bytes += (uint64_t)bytes;
	if (r->server)
		r->server->held_bytes += (uint64_t)bytes;
}

bool http_hold(struct http_request *r, size_t bytes)
{
	if (r->server && r->server->held_bytes + bytes > (uint64_t)r->server->config.memory_bytes) {
		http_problem(r, 503, NULL, "all of http.memory is in use; try again");
		return false;
	}
	exchange_hold(r, (int64_t)bytes);
	return true;
}

static void unref(struct http_request *r)
{
	if (--r->refs)
		return;
	exchange_hold(r, -(int64_t)r->held_bytes);
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

	*r = (struct http_request){.http = h, .server = h, .connection = c, .refs = 1, .body_fd = -1};
	h->vain_runs = 0;
	r->since_mono_ms = clock_mono_ms();
	r->raw = xmemdup0(uri, len);
	r->path = http_decode(uri, len);
	DL_APPEND(h->exchanges, r);
	if (conn) {
		conn->since_mono_ms = 0;
		conn->used = true;
		conn->exchange = r;
	}
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

/* Everything that can be refused before the body is read. */
static void open_exchange(struct http_request *r)
{
	CLEANUP(buf_release) struct buf allow = {0};

	if (!r->path) {
		http_problem(r, 400, "path",
					 "the path holds a broken %%-escape, a NUL, or what is no UTF-8");
		return;
	}
	if (!http_wellformed(r))
		return;
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
	} else if (body_fits(r)) {
		r->state = EXCHANGE_BODY;
	}
}

/*
 * Whether an answer that is there before the body waits for its end: MHD closes a connection on which it
 * did not, and the client may lose the answer in what it still sends.
 */
static bool worth_discarding(const struct http_request *r)
{
	return body_announced(r) <= (uint64_t)r->http->config.body_memory_bytes &&
		   !http_header(r, "Expect");
}

/* ---- step ---- */

static void hand_over(struct http_request *r)
{
	r->state = EXCHANGE_OWNED;
	r->refs++; /* the handler's */
	r->owned = true;
	r->server->owned++;
	if (r->body_fd >= 0)
		(void)lseek(r->body_fd, 0, SEEK_SET);
	r->route->handler(r->http->data, r);
}

static enum MHD_Result queue(struct http_request *r)
{
	r->discarding = false;
	if (r->http->quiescing && r->response)
		MHD_add_response_header(r->response, "Connection", "close");
	r->state = EXCHANGE_SENDING;
	return MHD_queue_response(r->connection, r->status, r->response);
}

enum MHD_Result exchange_step(void *cls, struct MHD_Connection *c UNUSED, const char *url UNUSED,
							  const char *method, const char *version UNUSED, const char *upload,
							  size_t *upload_len, void **con_cls)
{
	struct http *h = cls;
	struct http_request *r = *con_cls;

	h->vain_runs = 0;
	if (!r || r->gone)
		return MHD_NO;
	if (r->state == EXCHANGE_HEADERS) {
		snprintf(r->method, sizeof(r->method), "%s", method);
		note_peer(r);
		open_exchange(r);
		r->discarding = r->state == EXCHANGE_ANSWERED && worth_discarding(r);
		if (r->state == EXCHANGE_BODY || r->discarding)
			return MHD_YES;
	} else if (*upload_len > 0 && (r->state == EXCHANGE_BODY || r->discarding)) {
		if (r->state == EXCHANGE_BODY)
			body_take(r, upload, *upload_len);
		*upload_len = 0;
		return MHD_YES;
	} else if (r->state == EXCHANGE_BODY && r->refuse_body) {
		body_refuse(r);
	} else if (r->state == EXCHANGE_BODY) {
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

static void end(struct http *h, struct http_request *r)
{
	DL_DELETE(h->exchanges, r);
	if (h->events.done)
		h->events.done(h->data, r, r->status, clock_mono_ms() - r->since_mono_ms);
	if (r->is_stream && r->stream.on_close)
		r->stream.on_close(r->stream.data);
	r->http = NULL;
	r->connection = NULL;
	if (r->owned)
		DL_APPEND(h->orphans, r);
	unref(r);
}

void exchange_end(void *cls, struct MHD_Connection *c, void **con_cls,
				  enum MHD_RequestTerminationCode why UNUSED)
{
	struct http *h = cls;
	struct http_request *r = *con_cls;
	struct http_connection *conn = http_connection_of(c);

	h->vain_runs = 0;
	if (conn) {
		conn->since_mono_ms = clock_mono_ms();
		conn->exchange = NULL;
	}
	*con_cls = NULL;
	if (r)
		end(h, r);
}

void exchange_lost(struct http *h, struct http_connection *conn)
{
	if (conn->exchange)
		end(h, TAKE(conn->exchange));
}

/* The handler answered, or let go. */
void exchange_answered(struct http_request *r)
{
	bool owned = r->owned;

	assert(r->state < EXCHANGE_ANSWERED);
	r->state = EXCHANGE_ANSWERED;
	r->owned = false;
	if (owned && r->server) {
		r->server->owned--;
		if (!r->http)
			DL_DELETE(r->server->orphans, r);
	}
	if (r->suspended && r->connection) {
		r->suspended = false;
		MHD_resume_connection(r->connection);
		http_kick(r->http);
	}
	if (owned)
		unref(r);
}

bool http_gone(const struct http_request *r)
{
	return !r->http || r->gone;
}

size_t http_owned(const struct http *h)
{
	return h->owned;
}

uint64_t http_held_bytes(const struct http *h)
{
	return h->held_bytes;
}

size_t http_open_requests(const struct http *h)
{
	size_t n = 0;

	for (const struct http_request *r = h->exchanges; r; r = r->next)
		n += r->state != EXCHANGE_HEADERS && !r->endless;
	return n;
}

/* ---- the sweep ---- */

static void end_slow(struct http *h, int64_t now_ms)
{
	int64_t allowed_ms = h->config.receive_ns / NS_PER_MS;

	for (struct http_request *r = h->exchanges; r; r = r->next) {
		/* What is large may take its time, as long as it keeps coming. */
		int64_t more_ms = (int64_t)(r->body_len / HTTP_SLOWEST_BYTES_PER_MS);
		const struct http_connection *conn;

		if ((r->state > EXCHANGE_BODY && !r->discarding) ||
			now_ms - r->since_mono_ms <= allowed_ms + more_ms)
			continue;
		conn = http_connection_of(r->connection);
		if (conn && conn->fd >= 0)
			shutdown(conn->fd, SHUT_RDWR);
	}
}

static bool is_at_rest(const struct http_connection *c)
{
	return c->fd >= 0 && (!c->exchange || c->exchange->suspended);
}

static void end_if_gone(const struct pollfd *p, struct http_connection *c)
{
	struct http_request *r = c->exchange;
	char next;

	if (!(p->revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return;
	/* Between requests: what it sent before is read first. */
	if (!r && recv(p->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return;
	shutdown(p->fd, SHUT_RDWR);
	if (r) {
		r->gone = true;
		r->suspended = false;
		MHD_resume_connection(r->connection);
	}
}

/*
 * Clients that hung up while their connections were suspended, or just before a short read, after which MHD waits
 * for an edge that has passed: by one call for all.
 */
static void end_gone(struct http *h)
{
	struct pollfd *fds = xreallocarray(NULL, h->connections + 1, sizeof(*fds));
	struct http_connection *c;
	nfds_t n = 0, i = 0;

	for (c = h->conns; c; c = c->next) {
		if (is_at_rest(c))
			fds[n++] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
	}
	if (n > 0 && poll(fds, n, 0) > 0) {
		for (c = h->conns; c; c = c->next) {
			if (is_at_rest(c))
				end_if_gone(&fds[i++], c);
		}
	}
	free(fds);
}

void exchange_sweep(struct http *h, int64_t now_ms)
{
	end_slow(h, now_ms);
	end_gone(h);
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

/* After the end: handlers may still have some. */
void exchange_forget(struct http *h)
{
	for (struct http_request *r = h->orphans; r; r = r->next)
		r->server = NULL;
	h->orphans = NULL;
}
