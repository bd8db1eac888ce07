/*
 * Subscriptions, and the way of a message from the library's thread to the
 * loop: a locked queue and one wake. The library's end of a subscription (a
 * source) lives until the library says that it is done with it, which is
 * after the subscription is gone. A subscription that is flooded drops what
 * is newest, and it is logged; the shared inbox never does, for what comes there was
 * asked for by credits.
 */
#include <utlist.h>

#include "common/bus_internal.h"
#include "common/log.h"

/* ---- the library's threads ---- */

/* Behind the last of the queue; true: the loop is asleep, perhaps. With the lock held. */
static bool append(struct bus *b, struct bus_msg *m)
{
	bool was_empty = !b->first;

	if (b->last)
		b->last->next = m;
	else
		b->first = m;
	b->last = m;
	return was_empty;
}

void bus_push_event(struct bus *b, enum bus_item_kind kind, const char *words)
{
	struct bus_msg *m = xcalloc(1, sizeof(*m));
	m->kind = kind;
	m->words = words ? xstrdup(words) : NULL;
	pthread_mutex_lock(&b->lock);
	bool wake = append(b, m);
	pthread_mutex_unlock(&b->lock);
	if (wake)
		uv_async_send(&b->wake);
}

static void on_native_msg(natsConnection *nc, natsSubscription *sub, natsMsg *native, void *closure)
{
	struct bus_source *src = closure;
	struct bus *b = src->bus;
	struct bus_msg *m = bus_msg_from_native(native);
	bool wake = false;

	(void)nc;
	(void)sub;
	m->source = src;
	pthread_mutex_lock(&b->lock);
	bool full = src->bounded && src->refs >= BUS_PENDING_MAX;
	if (!full) {
		src->refs++;
		wake = append(b, m);
	} else {
		b->dropped++;
	}
	pthread_mutex_unlock(&b->lock);
	if (full)
		bus_msg_free(m);
	if (wake)
		uv_async_send(&b->wake);
}

void bus_source_unref(struct bus_source *src)
{
	struct bus *b = src->bus;

	pthread_mutex_lock(&b->lock);
	bool last = --src->refs == 0;
	if (last) {
		b->sources--;
		pthread_cond_broadcast(&b->calm);
	}
	pthread_mutex_unlock(&b->lock);
	if (last)
		free(src);
}

static void on_native_complete(void *closure)
{
	bus_source_unref(closure);
}

/* ---- subscriptions ---- */

int bus_subscribe_native(struct bus_sub *sub)
{
	struct bus *b = sub->bus;
	natsStatus s;

	if (!b->direct)
		return 0; /* done when the connection is there */
	struct bus_source *src = xcalloc(1, sizeof(*src));
	*src = (struct bus_source){.bus = b, .sub = sub, .bounded = sub != b->inbox_sub, .refs = 2};
	pthread_mutex_lock(&b->lock);
	b->sources++;
	pthread_mutex_unlock(&b->lock);
	sub->source = src;
	if (sub->queue)
		s = natsConnection_QueueSubscribe(&sub->native, b->direct, sub->subject, sub->queue, on_native_msg, src);
	else
		s = natsConnection_Subscribe(&sub->native, b->direct, sub->subject, on_native_msg, src);
	if (s == NATS_OK) {
		natsSubscription_SetPendingLimits(sub->native, -1, -1);
		s = natsSubscription_SetOnCompleteCB(sub->native, on_native_complete, src);
	}
	if (s == NATS_OK)
		return 0;
	log_debug("subscription postponed", LOG_S("subject", sub->subject), LOG_S("why", natsStatus_GetText(s)));
	sub->source = NULL;
	if (!sub->native)
		bus_source_unref(src); /* the library's reference */
	bus_source_unref(src);
	return -1;
}

void bus_unsubscribe_native(struct bus_sub *sub)
{
	if (sub->source) {
		sub->source->sub = NULL;
		bus_source_unref(TAKE(sub->source));
	}
	if (sub->native) {
		natsSubscription_Unsubscribe(sub->native);
		natsSubscription_Destroy(TAKE(sub->native));
	}
}

int bus_subscribe(struct bus *b, const char *subject, const char *queue, bus_on_msg on_msg,
                  void *data, struct bus_sub **ret, struct err *e)
{
	if (!subject || !*subject || strpbrk(subject, " \t\r\n") || (queue && strpbrk(queue, " \t\r\n")))
		return err_set(e, ERR_INVALID, "not a subject to subscribe to: \"%.100s\"", subject ? subject : "");
	struct bus_sub *sub = xcalloc(1, sizeof(*sub));
	*sub = (struct bus_sub){.bus = b, .subject = xstrdup(subject), .queue = queue ? xstrdup(queue) : NULL,
	                        .on_msg = on_msg, .data = data};
	DL_APPEND(b->subs, sub);
	bus_subscribe_native(sub);
	*ret = sub;
	return 0;
}

void bus_unsubscribe(struct bus_sub **psub)
{
	struct bus_sub *sub = TAKE(*psub);

	if (!sub)
		return;
	DL_DELETE(sub->bus->subs, sub);
	bus_unsubscribe_native(sub);
	free(sub->subject);
	free(sub->queue);
	free(sub);
}
