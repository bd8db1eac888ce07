/*
 * Waiting for room in a stream that everything needs. It stands alone
 * because three streams can be full, and each must be handled alike: said
 * once, probed with growing patience (a quarter of a second to two), and the
 * whole intake stopped meanwhile. All that was refused is tried at each
 * probe; the first success frees the rest.
 */
#include "router/hold.h"

#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"

#define WAIT_FIRST_MS 250
#define WAIT_MAX_MS 2000

static void probe(struct hold *h)
{
	struct hold_item *items = TAKE(h->items), *item, *tmp;

	DL_FOREACH_SAFE (items, item, tmp) {
		DL_DELETE(items, item);
		item->again(item);
	}
}

static void on_timeout(struct timeout *t)
{
	struct hold *h = container_of(t, struct hold, timeout);

	h->wait_ms = MIN_OF(h->wait_ms * 2, WAIT_MAX_MS);
	probe(h);
}

void hold_init(struct hold *h, const char *stream, struct timeouts *all,
			   void (*on_clear)(void *data), void *data)
{
	*h = (struct hold){
		.stream = stream, .wait_ms = WAIT_FIRST_MS, .on_clear = on_clear, .data = data};
	timeout_init(&h->timeout, all);
}

void hold_put(struct hold *h, struct hold_item *item, const struct err *why)
{
	if (!h->active) {
		h->active = true;
		h->wait_ms = WAIT_FIRST_MS;
		h->since_mono_ms = clock_mono_ms();
		log_warn("taking no more tasks until the stream has room", LOG_S("stream", h->stream),
				 LOG_S("why", why->text));
	}
	DL_APPEND(h->items, item);
	if (!timeout_running(&h->timeout))
		timeout_start(&h->timeout, h->wait_ms, on_timeout);
}

void hold_clear(struct hold *h)
{
	if (!h->active)
		return;
	h->active = false;
	timeout_stop(&h->timeout);
	log_info("the stream has room again", LOG_S("stream", h->stream),
			 LOG_I("waited_ms", clock_mono_ms() - h->since_mono_ms));
	probe(h);
	h->on_clear(h->data);
}

void hold_forget(struct hold *h, struct hold_item *item)
{
	DL_DELETE(h->items, item);
}

bool hold_active(const struct hold *h)
{
	return h->active;
}
