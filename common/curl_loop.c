/*
 * libcurl's multi interface on the loop: it says which sockets it wants
 * watched and when it wants to be woken, and is told what happened.
 *
 * Well: a socket is ready, libcurl goes on, a transfer ends, on_end. Badly:
 * whatever goes wrong with a transfer is its CURLcode. Closing waits for the
 * poll handles and the timer.
 */
#include "common/curl_loop.h"

#include <assert.h>

struct curl_loop {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;
	unsigned handles; /* not yet closed */
	void (*on_closed)(void *data);
	void *data;
};

struct watch {
	uv_poll_t poll;
	struct curl_loop *owner;
	curl_socket_t socket;
};

static unsigned users; /* of libcurl, in this process */

static void take_ended(struct curl_loop *l)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(l->multi, &left))) {
		CURLcode how = m->data.result;
		CURL *easy = m->easy_handle;
		char *private = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
		curl_multi_remove_handle(l->multi, easy);
		struct curl_transfer *t = (struct curl_transfer *)(void *)private;
		t->on_end(t, how);
	}
}

static void on_ready(uv_poll_t *p, int status, int events)
{
	struct watch *w = p->data;
	struct curl_loop *l = w->owner;
	int what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
			   (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);
	int running;

	curl_multi_socket_action(l->multi, w->socket, what, &running);
	take_ended(l);
}

static void closed_one(struct curl_loop *l)
{
	if (--l->handles > 0)
		return;
	void (*on_closed)(void *data) = l->on_closed;
	void *data = l->data;
	free(l);
	if (--users == 0)
		curl_global_cleanup();
	if (on_closed)
		on_closed(data);
}

static void on_watch_closed(uv_handle_t *p)
{
	struct watch *w = p->data;
	struct curl_loop *l = w->owner;

	free(w);
	closed_one(l);
}

static void unwatch(struct curl_loop *l, struct watch *w)
{
	curl_multi_assign(l->multi, w->socket, NULL);
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct watch *watch(struct curl_loop *l, curl_socket_t socket)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->owner = l;
	w->socket = socket;
	if (uv_poll_init(l->loop, &w->poll, socket) < 0) {
		free(w);
		return NULL;
	}
	w->poll.data = w;
	l->handles++;
	curl_multi_assign(l->multi, socket, w);
	return w;
}

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *data, void *own)
{
	struct curl_loop *l = data;
	struct watch *w = own;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			unwatch(l, w);
		return 0;
	}
	if (!w)
		w = watch(l, socket);
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
	struct curl_loop *l = t->data;
	int running;

	curl_multi_socket_action(l->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_ended(l);
}

/* Not even 0 ms may be done from in here. */
static int on_timer_wanted(CURLM *multi, long ms, void *data)
{
	struct curl_loop *l = data;

	(void)multi;
	if (ms < 0) {
		uv_timer_stop(&l->timer);
	} else {
		uv_update_time(l->loop);
		uv_timer_start(&l->timer, on_timer, (uint64_t)ms, 0);
	}
	return 0;
}

/* ---- transfers ---- */

int curl_loop_start(struct curl_loop *l, struct curl_transfer *t, struct err *e)
{
	curl_easy_setopt(t->easy, CURLOPT_PRIVATE, (void *)t);
	CURLMcode rc = curl_multi_add_handle(l->multi, t->easy);

	if (rc != CURLM_OK)
		return err_set(e, ERR_FAILED, "libcurl: %s", curl_multi_strerror(rc));
	return 0;
}

void curl_loop_abort(struct curl_loop *l, struct curl_transfer *t)
{
	curl_multi_remove_handle(l->multi, t->easy);
}

/* ---- life ---- */

struct curl_loop *curl_loop_open(uv_loop_t *loop, long connections)
{
	struct curl_loop *l = xcalloc(1, sizeof(*l));

	if (users++ == 0)
		curl_global_init(CURL_GLOBAL_DEFAULT);
	l->loop = loop;
	l->multi = curl_multi_init();
	assert(l->multi); /* out of memory ends the process elsewhere too */
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	l->handles = 1;
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
	if (connections > 0) {
		curl_multi_setopt(l->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
		curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, connections);
	}
	return l;
}

static void on_timer_closed(uv_handle_t *t)
{
	closed_one(t->data);
}

void curl_loop_close(struct curl_loop **loop, void (*on_closed)(void *data), void *data)
{
	struct curl_loop *l = TAKE(*loop);

	l->on_closed = on_closed;
	l->data = data;
	/* Closes its connections, and for each says that its socket is not to be watched. */
	curl_multi_cleanup(l->multi);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
