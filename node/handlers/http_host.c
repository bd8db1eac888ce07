/*
 * libcurl's multi interface on the loop: it says which sockets it wants
 * watched and when it wants to be woken, and is told what happened. One multi
 * for each host, so that connections are reused and counted per host.
 *
 * Well: a socket is ready, libcurl goes on, a transfer ends, on_end. Badly:
 * whatever goes wrong with a transfer is its CURLcode; the breaker hears of
 * it from the handler. Closing waits for the poll handles and the timer.
 */
#include "node/handlers/http_host.h"

#include <assert.h>
#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"

struct http_host {
	uv_loop_t *loop;
	char *authority;
	struct http_host_config config;
	unsigned refs;
	CURLM *multi;
	uv_timer_t timer;
	unsigned handles; /* not yet closed */
	struct breaker breaker;
	struct metric *state, *opened, *refused;
	void (*on_released)(void *data);
	void *data;
	struct http_host *prev, *next;
};

struct watch {
	uv_poll_t poll;
	struct http_host *host;
	curl_socket_t socket;
};

static struct http_host *hosts; /* of this process: few */
static unsigned users;          /* of libcurl */

/* ---- between libcurl and the loop ---- */

static void take_ended(struct http_host *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		CURLcode how = m->data.result;
		CURL *easy = m->easy_handle;
		char *private = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		curl_multi_remove_handle(h->multi, easy);
		struct http_transfer *t = (struct http_transfer *)(void *)private;
		t->on_end(t, how);
	}
}

static void on_ready(uv_poll_t *p, int status, int events)
{
	struct watch *w = p->data;
	struct http_host *h = w->host;
	int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
			   (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
	int running;

	curl_multi_socket_action(h->multi, w->socket, what, &running);
	take_ended(h);
}

static void closed_one(struct http_host *h)
{
	if (--h->handles > 0)
		return;
	void (*on_released)(void *data) = h->on_released;
	void *data = h->data;
	free(h->authority);
	free(h);
	if (--users == 0)
		curl_global_cleanup();
	if (on_released)
		on_released(data);
}

static void on_watch_closed(uv_handle_t *p)
{
	struct watch *w = p->data;
	struct http_host *h = w->host;

	free(w);
	closed_one(h);
}

static void unwatch(struct http_host *h, struct watch *w)
{
	curl_multi_assign(h->multi, w->socket, NULL);
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct watch *watch(struct http_host *h, curl_socket_t socket)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->host = h;
	w->socket = socket;
	if (uv_poll_init(h->loop, &w->poll, socket) < 0) {
		free(w);
		return NULL;
	}
	w->poll.data = w;
	h->handles++;
	curl_multi_assign(h->multi, socket, w);
	return w;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *own)
{
	struct http_host *h = data;
	struct watch *w = own;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			unwatch(h, w);
		return 0;
	}
	if (!w)
		w = watch(h, socket);
	if (!w)
		return -1; /* ends the transfer */
	uv_poll_start(&w->poll,
				  (what & CURL_POLL_IN ? UV_READABLE : 0) |
					  (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
				  on_ready);
	return 0;
}

static void on_timer(uv_timer_t *t)
{
	struct http_host *h = t->data;
	int running;

	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(h);
}

/* Not even 0 ms may be done from in here. */
static int on_timer_wanted(CURLM *multi, long ms, void *data)
{
	struct http_host *h = data;

	(void)multi;
	if (ms < 0) {
		uv_timer_stop(&h->timer);
	} else {
		uv_update_time(h->loop);
		uv_timer_start(&h->timer, on_timer, (uint64_t)ms, 0);
	}
	return 0;
}

/* ---- transfers ---- */

int http_host_start(struct http_host *h, struct http_transfer *t, struct err *e)
{
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, (void *)t);
	CURLMcode rc = curl_multi_add_handle(h->multi, t->easy);

	if (rc != CURLM_OK)
		return err_set(e, ERR_FAILED, "libcurl: %s", curl_multi_strerror(rc));
	return 0;
}

void http_host_abort(struct http_host *h, struct http_transfer *t)
{
	curl_multi_remove_handle(h->multi, t->easy);
}

/* ---- the breaker ---- */

const char *http_host_name(const struct http_host *h)
{
	return h->authority;
}

static void tell(struct http_host *h)
{
	char rest[32];

	metric_set(h->state, (double)h->breaker.state);
	switch (h->breaker.state) {
	case BREAKER_OPEN:
		duration_format(h->config.breaker.open_ns, rest);
		metric_add(h->opened, 1);
		log_warn("a host fails; its tasks wait", LOG_S("host", h->authority),
				 LOG_S("breaker", "open"), LOG_S("next_try", rest));
		return;
	case BREAKER_HALF_OPEN:
		log_info("a host that failed is tried again", LOG_S("host", h->authority),
				 LOG_S("breaker", "half-open"));
		return;
	case BREAKER_CLOSED:
		log_info("a host that failed answers again", LOG_S("host", h->authority),
				 LOG_S("breaker", "closed"));
		return;
	}
}

bool http_host_admit(struct http_host *h, unsigned *ret_ticket, int64_t *ret_wait_ns)
{
	enum breaker_state before = h->breaker.state;
	bool may = breaker_admit(&h->breaker, clock_mono_ns(), ret_ticket, ret_wait_ns);

	if (h->breaker.state != before)
		tell(h);
	if (!may)
		metric_add(h->refused, 1);
	return may;
}

void http_host_report(struct http_host *h, unsigned ticket, enum breaker_outcome how)
{
	if (breaker_report(&h->breaker, clock_mono_ns(), ticket, how))
		tell(h);
}

/* ---- life ---- */

static bool same(const struct http_host_config *a, const struct http_host_config *b)
{
	const struct breaker_config *x = &a->breaker, *y = &b->breaker;

	return a->connections == b->connections && x->failures == y->failures &&
		   x->percent == y->percent && x->calls == y->calls && x->window_ns == y->window_ns &&
		   x->open_ns == y->open_ns && x->probes == y->probes;
}

static void make_metrics(struct http_host *h)
{
	CLEANUP(free_ptr) char *label = xasprintf("host=\"%s\"", h->authority);

	h->state =
		metric_gauge("millrace_node_http_breaker_state", "0 closed, 1 open, 2 half-open.", label);
	h->opened = metric_counter("millrace_node_http_breaker_opened_total",
							   "How often a host's breaker opened.", label);
	h->refused = metric_counter("millrace_node_http_breaker_refused_total",
								"Tasks returned unspent, as the breaker was open.", label);
}

static struct http_host *make(uv_loop_t *loop, const char *authority,
							  const struct http_host_config *config)
{
	struct http_host *h = xcalloc(1, sizeof(*h));

	if (users++ == 0)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	h->loop = loop;
	h->authority = xstrdup(authority);
	h->config = *config;
	h->multi = curl_multi_init();
	assert(h->multi); /* out of memory ends the process elsewhere too */
	breaker_init(&h->breaker, &config->breaker);
	make_metrics(h);
	uv_timer_init(loop, &h->timer);
	h->timer.data = h;
	h->handles = 1;
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)config->connections);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)config->connections);
	DL_APPEND(hosts, h);
	return h;
}

int http_host_get(uv_loop_t *loop, const char *authority, const struct http_host_config *config,
				  struct http_host **ret, struct err *e)
{
	struct http_host *h = NULL;

	DL_FOREACH (hosts, h) {
		if (h->loop == loop && str_eq(h->authority, authority))
			break;
	}
	if (h && !same(&h->config, config))
		return err_set(e, ERR_CONFLICT,
					   "%s is another handler's too, which has other values for connections or "
					   "breaker: a host has one set of them",
					   authority);
	if (!h)
		h = make(loop, authority, config);
	h->refs++;
	*ret = h;
	return 0;
}

static void on_timer_closed(uv_handle_t *t)
{
	closed_one(t->data);
}

void http_host_release(struct http_host **host, void (*on_released)(void *data), void *data)
{
	struct http_host *h = TAKE(*host);

	if (!h || --h->refs > 0) {
		on_released(data);
		return;
	}
	DL_DELETE(hosts, h);
	h->on_released = on_released;
	h->data = data;
	/* Closes its connections, and for each says that its socket is not to be watched. */
	curl_multi_cleanup(h->multi);
	uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}
