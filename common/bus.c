/*
 * The bus: from the library's threads to the loop, and back.
 *
 * In: the library's callbacks push to one locked queue and wake the loop,
 * which takes the whole queue at once, as wakes coalesce. Out: what is
 * published in one turn is collected and leaves at the turn's end. At a low
 * rate, through a connection where each is a write of its own (the library's
 * buffering would hold it for a millisecond); at a high one, through a second
 * connection that buffers. Going well, nobody waits for anything; how it
 * fails is in bus_connect.c.
 */
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "common/bus_internal.h"
#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/log.h"

#define MESSAGES_PER_TURN 512
#define CLOSE_WAIT_S 3

/* ---- the loop's side ---- */

/* A hook may remove itself and any other while it is told. */
static void tell_hooks(struct bus *b, bool up)
{
	for (struct bus_hook *h = b->hooks; h; h = b->next_hook) {
		b->next_hook = h->next;
		if (up && h->on_up)
			h->on_up(h);
		else if (!up && h->on_down)
			h->on_down(h);
	}
	b->next_hook = NULL;
}

static void went_up(struct bus *b)
{
	char url[256];

	if (b->up)
		return;
	b->up = true;
	if (natsConnection_GetConnectedUrl(b->direct, url, sizeof(url)) == NATS_OK) {
		/* Credentials in the address are nobody's business. */
		char *at = strrchr(url, '@'), *scheme = strstr(url, "://");
		free(b->url);
		b->url = at && scheme ? xasprintf("%.*s%s", (int)(scheme + 3 - url), url, at + 1) : xstrdup(url);
	}
	int64_t max = natsConnection_GetMaxPayload(b->direct);
	if (max > 0)
		b->max_payload = (size_t)max;
	b->ever_up = true;
	tell_hooks(b, true);
	if (b->events.on_up)
		b->events.on_up(b->events.data);
}

static void went_down(struct bus *b, const char *why)
{
	struct err e;
	bool told = !b->up && b->ever_up;

	b->up = false;
	if (told)
		return;
	bool refused = strcasestr(why, "authoriz") || strcasestr(why, "authent");
	err_set(&e, refused ? ERR_DENIED : ERR_UNREACHABLE, "broker at %s: %s", b->url, why);
	tell_hooks(b, false);
	if (b->events.on_down)
		b->events.on_down(b->events.data, &e);
}

static void handle_event(struct bus *b, struct bus_msg *m)
{
	struct err e;

	switch (m->kind) {
	case ITEM_MSG:
		break;
	case ITEM_UP:
		went_up(b);
		break;
	case ITEM_DOWN:
		went_down(b, m->words);
		break;
	case ITEM_CLOSED:
		went_down(b, m->words);
		bus_reconnect_later(b);
		break;
	case ITEM_ERROR:
		err_set(&e, strcasestr(m->words, "permission") ? ERR_DENIED : ERR_FAILED, "%s", m->words);
		log_debug("broker said", LOG_S("error", e.text));
		if (b->events.on_async_error)
			b->events.on_async_error(b->events.data, &e);
		break;
	}
}

static void handle(struct bus *b, struct bus_msg *m)
{
	struct bus_source *src = m->source;

	m->next = NULL;
	if (m->kind != ITEM_MSG) {
		handle_event(b, m);
		bus_msg_free(m);
		return;
	}
	m->source = NULL;
	if (src->sub)
		src->sub->on_msg(src->sub->data, &m);
	bus_source_unref(src);
	bus_msg_free(m);
}

static void run_deferred(struct bus *b)
{
	/* One that defers again runs in this same pass: the array may grow under us. */
	for (size_t i = 0; i < b->deferred_len; i++) {
		struct bus_deferred d = b->deferred[i];
		d.fn(d.data);
	}
	b->deferred_len = 0;
}

/*
 * Whether n messages may be a write each: while they are few. A bucket of tokens tells, refilled by
 * the clock; over its rate a write for each would cost us and the broker more than it hastens.
 */
static bool may_go_direct(struct bus *b, size_t n)
{
	int64_t now_ns = clock_mono_ns();
	int64_t earned = (now_ns - b->direct_refilled_ns) / (NS_PER_S / BUS_DIRECT_PER_S);

	if (earned > 0) {
		b->direct_tokens = MIN_OF(b->direct_tokens + earned, BUS_DIRECT_BURST);
		b->direct_refilled_ns = now_ns;
	}
	if (b->direct_tokens < (int64_t)n)
		return false;
	b->direct_tokens -= (int64_t)n;
	return true;
}

/* The server says "no responders" only to the connection that itself listens on the reply subject. */
static void flush(struct bus *b)
{
	natsConnection *most = b->direct;
	size_t n = b->out_len;

	if (!may_go_direct(b, n) && bus_connect_buffered(b))
		most = b->buffered;
	for (size_t i = 0; i < n; i++) {
		natsConnection *nc = b->out[i]->wants_nobody ? b->direct : most;
		natsStatus s = nc ? bus_packet_publish(nc, b->out[i]) : NATS_CONNECTION_CLOSED;
		if (s != NATS_OK)
			log_debug("not sent", LOG_S("why", natsStatus_GetText(s)));
		bus_packet_unref(b->out[i]);
	}
	b->out_len = 0;
}

static void end_turn(struct bus *b)
{
	if (b->deferred_len)
		run_deferred(b);
	if (b->out_len)
		flush(b);
}

static void on_wake(uv_async_t *a)
{
	struct bus *b = a->data;
	struct bus_msg *m, *next;
	uint64_t dropped;
	unsigned n = 0;

	if (b->closing)
		return;
	pthread_mutex_lock(&b->lock);
	m = b->first;
	b->first = b->last = NULL;
	dropped = b->dropped;
	b->dropped = 0;
	pthread_mutex_unlock(&b->lock);
	if (dropped)
		log_warn("a subscription was flooded; its newest messages were dropped", LOG_I("messages", dropped));
	for (; m && !b->closing; m = next) {
		next = m->next;
		handle(b, m);
		if (++n % MESSAGES_PER_TURN == 0)
			end_turn(b);
	}
	for (; m; m = next) { /* bus_close was called from within */
		next = m->next;
		if (m->source)
			bus_source_unref(m->source);
		bus_msg_free(m);
	}
}

static void on_check(uv_check_t *c)
{
	end_turn(c->data);
}

static void on_prepare(uv_prepare_t *p)
{
	end_turn(p->data);
}

/* ---- open, close ---- */

static char *random_prefix(const char *base)
{
	uint8_t r[12];

	if (getentropy(r, sizeof(r)) != 0)
		abort();
	return xasprintf("%s.%02X%02X%02X%02X%02X%02X%02X%02X%02X%02X%02X%02X.", base, r[0], r[1], r[2], r[3], r[4],
	                 r[5], r[6], r[7], r[8], r[9], r[10], r[11]);
}

int bus_open(uv_loop_t *loop, const struct bus_config *c, const char *client_name,
             const struct bus_events *ev, struct bus **ret, struct err *e)
{
	CLEANUP(free_ptr) char *prefix = NULL;
	struct bus *b = xcalloc(1, sizeof(*b));
	int rc = bus_options_make(c, client_name, &b->options, &b->url, &prefix, e);

	if (rc) {
		free(b);
		return rc;
	}
	b->loop = loop;
	b->events = *ev;
	b->max_payload = 1024 * 1024;
	b->prefix = random_prefix(prefix);
	b->prefix_len = strlen(b->prefix);
	b->timeouts = timeouts_new(loop);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->calm, NULL);
	uv_async_init(loop, &b->wake, on_wake);
	uv_prepare_init(loop, &b->before_poll);
	uv_check_init(loop, &b->after_poll);
	uv_timer_init(loop, &b->reopen);
	b->wake.data = b->before_poll.data = b->after_poll.data = b->reopen.data = b;
	uv_prepare_start(&b->before_poll, on_prepare);
	uv_check_start(&b->after_poll, on_check);
	uv_unref((uv_handle_t *)&b->before_poll);
	uv_unref((uv_handle_t *)&b->after_poll);
	b->open_handles = 4;

	CLEANUP(free_ptr) char *all = xasprintf("%s*", b->prefix);
	rc = bus_subscribe(b, all, NULL, bus_route, b, &b->inbox_sub, e);
	if (!rc) {
		bus_connect(b);
		*ret = b;
		return 0;
	}
	bus_close(&b);
	return rc;
}

/* Messages of the library that never reached the loop. */
static void drain_queue(struct bus *b)
{
	struct bus_msg *m, *next;

	pthread_mutex_lock(&b->lock);
	m = b->first;
	b->first = b->last = NULL;
	pthread_mutex_unlock(&b->lock);
	for (; m; m = next) {
		next = m->next;
		if (m->source)
			bus_source_unref(m->source);
		bus_msg_free(m);
	}
}

/* The library's threads may still be in our callbacks when its close returns. */
static bool wait_for_calm(struct bus *b)
{
	struct timespec until;
	bool calm;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CLOSE_WAIT_S;
	pthread_mutex_lock(&b->lock);
	while ((b->sources || b->live_connections) && pthread_cond_timedwait(&b->calm, &b->lock, &until) == 0)
		;
	calm = !b->sources && !b->live_connections;
	pthread_mutex_unlock(&b->lock);
	return calm;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct bus *b = h->data;

	if (--b->open_handles > 0)
		return;
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->calm);
	free(b);
}

void bus_close(struct bus **pb)
{
	struct bus *b = TAKE(*pb);
	bool calm;

	if (!b)
		return;
	end_turn(b);
	for (size_t i = 0; i < BUS_PLACES; i++) {
		if (b->place_ends[i])
			b->place_ends[i](TAKE(b->places[i]));
	}
	end_turn(b);
	b->closing = true;
	/* Before the flush: behind its round trip nothing comes any more, and the library closes between two messages (within
	 * one, 3.4 leaks it). */
	while (b->subs) {
		struct bus_sub *sub = b->subs;
		bus_unsubscribe(&sub);
	}
	if (b->buffered && natsConnection_Status(b->buffered) == NATS_CONN_STATUS_CONNECTED)
		natsConnection_FlushTimeout(b->buffered, 1000);
	if (b->direct && natsConnection_Status(b->direct) == NATS_CONN_STATUS_CONNECTED)
		natsConnection_FlushTimeout(b->direct, 1000);
	bus_calls_drop(b);
	bus_drop_connection(&b->buffered);
	bus_drop_connection(&b->direct);
	drain_queue(b);
	calm = wait_for_calm(b);
	drain_queue(b);
	bus_guard_leave(&b->buffered_guard);
	bus_guard_leave(&b->direct_guard);
	natsOptions_Destroy(b->options);
	bus_route_release(b);
	timeouts_free(b->timeouts);
	for (size_t i = 0; i < b->out_len; i++)
		bus_packet_unref(b->out[i]);
	free(b->out);
	free(b->deferred);
	free(b->url);
	free(b->prefix);
	if (!calm)
		b->open_handles++; /* leak b rather than pull it from under a thread */
	uv_close((uv_handle_t *)&b->wake, on_handle_closed);
	uv_close((uv_handle_t *)&b->before_poll, on_handle_closed);
	uv_close((uv_handle_t *)&b->after_poll, on_handle_closed);
	uv_close((uv_handle_t *)&b->reopen, on_handle_closed);
}

/* ---- small questions ---- */

bool bus_is_up(const struct bus *b)
{
	return b->up;
}

uv_loop_t *bus_loop(const struct bus *b)
{
	return b->loop;
}

struct timeouts *bus_timeouts(const struct bus *b)
{
	return b->timeouts;
}

size_t bus_max_payload(const struct bus *b)
{
	return b->max_payload;
}

const char *bus_url(const struct bus *b)
{
	return b->url;
}

void *bus_place(const struct bus *b, enum bus_place place)
{
	return b->places[place];
}

void bus_put(struct bus *b, enum bus_place place, void *p, void (*end)(void *))
{
	b->places[place] = p;
	b->place_ends[place] = end;
}

void bus_hook_add(struct bus *b, struct bus_hook *h)
{
	DL_APPEND(b->hooks, h);
}

void bus_hook_remove(struct bus *b, struct bus_hook *h)
{
	if (b->next_hook == h)
		b->next_hook = h->next;
	DL_DELETE(b->hooks, h);
}

void bus_defer(struct bus *b, void (*fn)(void *data), void *data)
{
	if (b->deferred_len == b->deferred_cap) {
		b->deferred_cap = b->deferred_cap ? b->deferred_cap * 2 : 16;
		b->deferred = xreallocarray(b->deferred, b->deferred_cap, sizeof(*b->deferred));
	}
	b->deferred[b->deferred_len++] = (struct bus_deferred){fn, data};
}

/* ---- sending ---- */

bool bus_packet_send(struct bus *b, struct bus_packet *p)
{
	if (!b->up)
		return false;
	if (b->out_len == b->out_cap) {
		b->out_cap = b->out_cap ? b->out_cap * 2 : 64;
		b->out = xreallocarray(b->out, b->out_cap, sizeof(struct bus_packet *));
	}
	p->refs++;
	b->out[b->out_len++] = p;
	return true;
}

int bus_publish(struct bus *b, const struct bus_out *out, struct err *e)
{
	struct bus_packet *p = NULL;
	int rc = bus_packet_make(b, out, out->reply, &p, e);

	if (rc)
		return rc;
	if (!bus_packet_send(b, p))
		log_debug("dropped while the broker is away", LOG_S("subject", out->subject));
	bus_packet_unref(p);
	return 0;
}

void bus_send(struct bus *b, const char *subject, const void *data, size_t len)
{
	struct err e;

	if (bus_publish(b, &(struct bus_out){.subject = subject, .data = data, .len = len}, &e))
		log_warn("not published", LOG_S("subject", subject), LOG_S("why", e.text));
}
