/*
 * Connections. The library reconnects by itself, for ever. Should it give up
 * (it does after two refused logins, and one in 256 of its NKey logins is
 * refused by mistake), everything is made anew a second later. What its
 * threads have to say comes to the loop through the same queue as messages,
 * so that "up" and "down" keep their place among them.
 */
#include <utlist.h>

#include "common/bus_internal.h"
#include "common/clock.h"
#include "common/log.h"

#define REOPEN_MS 1000
#define BUFFERED_AGAIN_MS 10000

/* ---- the library's threads ---- */

static void on_native_up(natsConnection *nc, void *closure)
{
	struct bus *b = closure;

	bus_guard_up(&b->direct_guard, nc);
	bus_push_event(b, ITEM_UP, NULL);
}

static void on_native_down(natsConnection *nc, void *closure)
{
	struct bus *b = closure;
	const char *last = NULL;

	bus_guard_down(&b->direct_guard, nc);
	natsConnection_GetLastError(nc, &last);
	bus_push_event(b, ITEM_DOWN, last && *last ? last : "connection lost");
}

static void on_native_error(natsConnection *nc, natsSubscription *sub, natsStatus s, void *closure)
{
	const char *last = NULL;

	(void)sub;
	natsConnection_GetLastError(nc, &last);
	bus_push_event(closure, ITEM_ERROR, last && *last ? last : natsStatus_GetText(s));
}

static void on_native_closed(natsConnection *nc, void *closure)
{
	struct bus *b = closure;
	const char *last = NULL;

	natsConnection_GetLastError(nc, &last);
	bus_push_event(b, ITEM_CLOSED, last && *last ? last : "connection closed");
	pthread_mutex_lock(&b->lock);
	b->live_connections--;
	pthread_cond_broadcast(&b->calm);
	pthread_mutex_unlock(&b->lock);
}

static void on_buffered_up(natsConnection *nc, void *closure)
{
	bus_guard_up(&((struct bus *)closure)->buffered_guard, nc);
}

static void on_buffered_down(natsConnection *nc, void *closure)
{
	bus_guard_down(&((struct bus *)closure)->buffered_guard, nc);
}

static void on_buffered_closed(natsConnection *nc, void *closure)
{
	struct bus *b = closure;

	bus_guard_closed(&b->buffered_guard, nc);
	pthread_mutex_lock(&b->lock);
	b->live_connections--;
	pthread_cond_broadcast(&b->calm);
	pthread_mutex_unlock(&b->lock);
}

/* ---- the loop ---- */

static void connect_direct(struct bus *b)
{
	natsStatus s;
	struct bus_sub *sub;

	pthread_mutex_lock(&b->lock);
	b->live_connections++;
	pthread_mutex_unlock(&b->lock);
	bus_guard_connecting(&b->direct_guard);
	s = natsConnection_Connect(&b->direct, b->options);
	if (s == NATS_OK)
		bus_guard_up(&b->direct_guard, b->direct);
	if (s != NATS_OK && s != NATS_NOT_YET_CONNECTED) {
		/* The library calls back only for connections that it made. */
		pthread_mutex_lock(&b->lock);
		b->live_connections--;
		pthread_mutex_unlock(&b->lock);
		b->direct = NULL;
		bus_push_event(b, ITEM_CLOSED, nats_GetLastError(NULL) ? nats_GetLastError(NULL) : natsStatus_GetText(s));
		return;
	}
	DL_FOREACH (b->subs, sub)
		bus_subscribe_native(sub);
	bus_push_event(b, s == NATS_OK ? ITEM_UP : ITEM_DOWN, s == NATS_OK ? NULL : "nobody answers there");
}

/*
 * The second connection; while it is not up, the first carries everything. To connect it holds the
 * loop up for as long as the broker takes to answer, so a refusal is not put to the test again soon.
 */
bool bus_connect_buffered(struct bus *b)
{
	natsOptions *o = b->options;
	natsStatus s;
	int64_t now_ms;

	if (b->buffered && !natsConnection_IsClosed(b->buffered))
		return natsConnection_Status(b->buffered) == NATS_CONN_STATUS_CONNECTED;
	now_ms = clock_mono_ms();
	if (!b->up || (b->buffered_tried_mono_ms && now_ms - b->buffered_tried_mono_ms < BUFFERED_AGAIN_MS))
		return false;
	b->buffered_tried_mono_ms = now_ms;
	bus_drop_connection(&b->buffered);
	natsOptions_SetSendAsap(o, false);
	natsOptions_SetRetryOnFailedConnect(o, false, NULL, NULL);
	natsOptions_SetDisconnectedCB(o, on_buffered_down, b);
	natsOptions_SetReconnectedCB(o, on_buffered_up, b);
	natsOptions_SetClosedCB(o, on_buffered_closed, b);
	pthread_mutex_lock(&b->lock);
	b->live_connections++;
	pthread_mutex_unlock(&b->lock);
	bus_guard_connecting(&b->buffered_guard);
	s = natsConnection_Connect(&b->buffered, o);
	if (s == NATS_OK) {
		bus_guard_up(&b->buffered_guard, b->buffered);
	} else {
		bus_guard_leave(&b->buffered_guard);
		pthread_mutex_lock(&b->lock);
		b->live_connections--;
		pthread_mutex_unlock(&b->lock);
		b->buffered = NULL;
	}
	return s == NATS_OK;
}

static void set_direct_callbacks(struct bus *b)
{
	natsOptions *o = b->options;

	natsOptions_SetSendAsap(o, true);
	natsOptions_SetRetryOnFailedConnect(o, true, on_native_up, b);
	natsOptions_SetReconnectedCB(o, on_native_up, b);
	natsOptions_SetDisconnectedCB(o, on_native_down, b);
	natsOptions_SetClosedCB(o, on_native_closed, b);
	natsOptions_SetErrorHandler(o, on_native_error, b);
}

void bus_drop_connection(natsConnection **nc)
{
	if (*nc) {
		natsConnection_Close(*nc);
		natsConnection_Destroy(TAKE(*nc));
	}
}

static void on_reopen(uv_timer_t *t)
{
	struct bus *b = t->data;
	struct bus_sub *sub;

	if (b->closing)
		return;
	DL_FOREACH (b->subs, sub)
		bus_unsubscribe_native(sub);
	bus_drop_connection(&b->buffered);
	bus_guard_leave(&b->buffered_guard);
	bus_drop_connection(&b->direct);
	b->buffered_tried_mono_ms = 0;
	bus_connect(b);
}

void bus_connect(struct bus *b)
{
	set_direct_callbacks(b);
	connect_direct(b);
}

void bus_reconnect_later(struct bus *b)
{
	uv_timer_start(&b->reopen, on_reopen, REOPEN_MS, 0);
}
