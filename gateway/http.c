/*
 * The server: libmicrohttpd on the loop. It stands alone as the edge to that
 * library's event loop: its epoll descriptor is polled by ours, after every
 * run its timeout is set anew, and whoever resumes a connection asks for
 * another run. One thread, no locks.
 *
 * It goes well: bytes come, MHD runs, exchanges are stepped (http_request.c).
 * It fails: at the start, when the address cannot be had or a certificate is
 * none. Later nothing here ends the process; a connection that sends too
 * slowly is shut down by the sweep.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/http_internal.h"
#include "gateway/http_listen.h"

#define SWEEP_MS 500
#define TLS_FILE_MAX_BYTES 65536
#define SPARE_DESCRIPTORS 64
/*
 * MHD asks to be run again at once as long as a connection can go neither forth nor back (a request that it refused
 * before it was complete, a chunk's size without an end). The sweep ends such a one; until then we don't spin.
 */
#define VAIN_RUNS 8
#define VAIN_PAUSE_MS 5
/* GnuTLS' own choice, without the versions that nobody should speak any more. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* ---- driving MHD ---- */

static void run(struct http *h);

static void on_timer(uv_timer_t *t)
{
	run(t->data);
}

static void on_readable(uv_poll_t *p, int status UNUSED, int events UNUSED)
{
	run(p->data);
}

static void run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (h->closed || h->running)
		return;
	h->running = true;
	h->again = false;
	h->vain_runs++;
	MHD_run(h->daemon);
	h->running = false;
	if (h->again)
		uv_timer_start(&h->timer, on_timer, 0, 0);
	else if (MHD_get_timeout(h->daemon, &ms) == MHD_YES)
		uv_timer_start(&h->timer, on_timer, ms > 0 || h->vain_runs < VAIN_RUNS ? ms : VAIN_PAUSE_MS,
					   0);
	else
		uv_timer_stop(&h->timer);
}

void http_kick(struct http *h)
{
	if (h->running)
		h->again = true;
	else if (!h->closed)
		uv_timer_start(&h->timer, on_timer, 0, 0);
}

/* ---- connections ---- */

static void on_connection(void *cls, struct MHD_Connection *c, void **socket_context,
						  enum MHD_ConnectionNotificationCode why)
{
	struct http *h = cls;

	if (why == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
		struct http_connection *x = xcalloc(1, sizeof(*x));

		*x = (struct http_connection){
			.mhd = c, .fd = info ? info->connect_fd : -1, .since_mono_ms = clock_mono_ms()};
		DL_APPEND(h->conns, x);
		*socket_context = x;
		h->connections++;
		h->vain_runs = 0;
	} else if (*socket_context) {
		struct http_connection *x = *socket_context;

		/* MHD 0.9.75 forgets to tell of an exchange where it refuses a request twice. */
		exchange_lost(h, x);
		DL_DELETE(h->conns, x);
		free(x);
		*socket_context = NULL;
		/* MHD looks for room to accept only when it runs. */
		if (h->connections-- >= (size_t)h->config.connections_max)
			http_kick(h);
	}
}

struct http_connection *http_connection_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/*
 * MHD's own timeout counts from the last byte: a byte every few seconds would hold a connection for
 * ever. Shutting the socket down is what MHD notices at once.
 */
static void on_sweep(uv_timer_t *t)
{
	struct http *h = t->data;
	int64_t now_ms = clock_mono_ms(), allowed_ms = h->config.receive_ns / NS_PER_MS;
	/* Between requests a connection may rest as long as MHD lets it; beside that, headers have their time. */
	int64_t idle_ms = h->config.idle_ns / NS_PER_MS + allowed_ms;

	for (struct http_connection *c = h->conns; c; c = c->next) {
		if (c->since_mono_ms && c->fd >= 0 &&
			now_ms - c->since_mono_ms > (c->used ? idle_ms : allowed_ms))
			shutdown(c->fd, SHUT_RDWR);
	}
	exchange_sweep(h, now_ms);
	http_kick(h);
}

static void on_log(void *cls UNUSED, const char *fmt, va_list args)
{
	char text[400];

	if (!log_enabled(LOG_DEBUG))
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\r\n")] = '\0';
	log_debug("http", LOG_S("said", text));
}

/* ---- start and end ---- */

static int read_pem(const char *path, char **ret, struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
	buf_reserve(&text, TLS_FILE_MAX_BYTES);
	n = fread(text.data, 1, TLS_FILE_MAX_BYTES, f);
	fclose(f);
	text.data[n] = '\0';
	if (!strstr(text.data, "-----BEGIN"))
		return err_set(e, ERR_INVALID, "%s: is no PEM file", path);
	*ret = xmemdup0(text.data, n);
	return 0;
}

/* Connections need descriptors, and the usual soft limit is 1024. */
static void raise_descriptors(struct http *h)
{
	struct rlimit have;

	if (getrlimit(RLIMIT_NOFILE, &have))
		return;
	if (have.rlim_cur < have.rlim_max) {
		have.rlim_cur = have.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &have);
		(void)getrlimit(RLIMIT_NOFILE, &have);
	}
	if ((rlim_t)h->config.connections_max + SPARE_DESCRIPTORS > have.rlim_cur) {
		h->config.connections_max = MAX_OF((int64_t)have.rlim_cur - SPARE_DESCRIPTORS, INT64_C(16));
		log_warn(
			"fewer connections than configured: the limit of open files (ulimit -n) is too low",
			LOG_I("connections", h->config.connections_max));
	}
}

static int start(struct http *h, struct err *e)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem more[8];
	size_t n = 0;

	if (h->config.tls_cert) {
		if (read_pem(h->config.tls_cert, &h->tls_cert, e) ||
			read_pem(h->config.tls_key, &h->tls_key, e))
			return e->code;
		flags |= MHD_USE_TLS;
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, h->tls_cert};
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, h->tls_key};
		more[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
											(void *)(uintptr_t)TLS_PRIORITIES};
	}
	more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
	h->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, exchange_step, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, h->listen_fd, MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, h,
		MHD_OPTION_NOTIFY_COMPLETED, exchange_end, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
		h, MHD_OPTION_CONNECTION_LIMIT, (unsigned)h->config.connections_max,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)h->config.connections_per_peer,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)h->config.header_bytes,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(h->config.idle_ns / NS_PER_S),
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
	if (!h->daemon)
		return err_set(e, ERR_INVALID, "the HTTP server does not start%s",
					   h->tls_cert ? ": certificate and key are not a pair, or not understood"
								   : "");
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http *h = handle->data;

	if (--h->closing_handles == 0) {
		free(h->url);
		free(h->tls_cert);
		free(h->tls_key);
		free(h);
	}
}

int http_open(uv_loop_t *loop, const struct http_config *c, const struct http_route *const *routes,
			  const struct http_events *ev, void *data, struct http **ret, struct err *e)
{
	struct http *h = xcalloc(1, sizeof(*h));

	*h = (struct http){
		.loop = loop, .config = *c, .routes = routes, .events = *ev, .data = data, .listen_fd = -1};
	char *where = NULL;

	raise_descriptors(h);
	if (http_listen(h->config.listen, &h->listen_fd, &where, e) || start(h, e)) {
		if (h->listen_fd >= 0)
			close(h->listen_fd);
		free(where);
		free(h->tls_cert);
		free(h->tls_key);
		free(h);
		return e->code;
	}
	h->url = xasprintf("%s://%s", h->config.tls_cert ? "https" : "http", where);
	free(where);
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(loop, &h->poll, info->epoll_fd);
	uv_timer_init(loop, &h->timer);
	uv_timer_init(loop, &h->sweep);
	h->poll.data = h->timer.data = h->sweep.data = h;
	h->closing_handles = 3;
	uv_poll_start(&h->poll, UV_READABLE, on_readable);
	uv_timer_start(&h->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	http_kick(h);
	*ret = h;
	return 0;
}

const char *http_url(const struct http *h)
{
	return h->url;
}

size_t http_connections(const struct http *h)
{
	return h->connections;
}

size_t http_streams(const struct http *h)
{
	size_t n = 0;

	for (const struct http_request *r = h->exchanges; r; r = r->next)
		n += r->is_stream;
	return n;
}

void http_quiesce(struct http *h)
{
	if (h->quiescing)
		return;
	h->quiescing = true;
	/* The socket is ours again. */
	if (MHD_quiesce_daemon(h->daemon) != MHD_INVALID_SOCKET)
		close(h->listen_fd);
	http_kick(h);
}

void http_close(struct http **hp)
{
	struct http *h = *hp;

	if (!h)
		return;
	*hp = NULL;
	h->closed = true;
	uv_poll_stop(&h->poll);
	uv_timer_stop(&h->timer);
	uv_timer_stop(&h->sweep);
	/* MHD must not be stopped with connections that are suspended. */
	exchange_abandon(h);
	MHD_stop_daemon(h->daemon);
	exchange_forget(h);
	uv_close((uv_handle_t *)&h->poll, on_handle_closed);
	uv_close((uv_handle_t *)&h->timer, on_handle_closed);
	uv_close((uv_handle_t *)&h->sweep, on_handle_closed);
}
