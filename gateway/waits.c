/*
 * Who waits for a task's end. It stands alone so that a thousand waiting
 * clients cost one subscription: the store tells on `stored` which rows it has
 * committed, and whoever waits for one of them is told to look.
 *
 * Goes well: a notice, a look, an answer. A notice may be lost (it is plain NATS): every
 * few seconds each waiter looks anyway.
 */
#include "gateway/waits.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/codec.h"
#include "proto/event.pb-c.h"

#define LOOK_AGAIN_MS 3000

struct wait {
	struct waits *all;
	char id[TASK_ID_MAX + 1];
	int64_t until_ms;
	wait_fn fn;
	void *data;
	struct timeout timeout;
	struct wait *next; /* of the same id */
	UT_hash_handle hh; /* the first of an id is in the table */
};

static bool ended(Millrace__State s)
{
	return s == MILLRACE__STATE__STATE_COMPLETED || s == MILLRACE__STATE__STATE_DEAD ||
		   s == MILLRACE__STATE__STATE_CANCELLED;
}

static struct wait *find(const struct waits *w, const char *id)
{
	struct wait *x;

	HASH_FIND_STR(w->by_id, id, x);
	return x;
}

static void on_stored(void *data, struct bus_msg **m)
{
	struct waits *w = data;
	ProtobufCMessage *batch = NULL;

	if (!w->by_id || codec_unpack(&millrace__stored_batch__descriptor, bus_msg_data(*m),
								  bus_msg_len(*m), &batch, NULL))
		return;
	const Millrace__StoredBatch *all = (const Millrace__StoredBatch *)batch;
	for (size_t i = 0; i < all->n_tasks; i++) {
		struct wait *x = ended(all->tasks[i]->state) ? find(w, all->tasks[i]->id) : NULL;

		/* A look may stop its wait. */
		for (struct wait *next; x; x = next) {
			next = x->next;
			x->fn(x->data, WAIT_LOOK);
		}
	}
	codec_free(batch);
}

int waits_open(struct waits *w, struct bus *bus, struct err *e)
{
	*w = (struct waits){.bus = bus};
	return bus_subscribe(bus, "stored", NULL, on_stored, w, &w->sub, e);
}

static void unlink_wait(struct wait *x)
{
	struct wait *first = find(x->all, x->id);

	if (first == x) {
		HASH_DEL(x->all->by_id, x);
		if (x->next)
			HASH_ADD_STR(x->all->by_id, id, x->next);
	} else {
		while (first->next != x)
			first = first->next;
		first->next = x->next;
	}
	x->all->n--;
	timeout_stop(&x->timeout);
}

static void on_timeout(struct timeout *t)
{
	struct wait *x = container_of(t, struct wait, timeout);
	int64_t left_ms = x->until_ms - clock_mono_ms();

	if (left_ms > 0) {
		timeout_start(t, MIN_OF(left_ms, LOOK_AGAIN_MS), on_timeout);
		x->fn(x->data, WAIT_LOOK);
		return;
	}
	unlink_wait(x);
	x->fn(x->data, WAIT_OVER);
	free(x);
}

struct wait *wait_start(struct waits *w, const char *id, int64_t timeout_ms, wait_fn fn, void *data)
{
	struct wait *x = xcalloc(1, sizeof(*x)), *first = find(w, id);

	if (w->ended)
		timeout_ms = 0;
	*x = (struct wait){.all = w, .until_ms = clock_mono_ms() + timeout_ms, .fn = fn, .data = data};
	snprintf(x->id, sizeof(x->id), "%s", id);
	timeout_init(&x->timeout, bus_timeouts(w->bus));
	timeout_start(&x->timeout, MIN_OF(timeout_ms, LOOK_AGAIN_MS), on_timeout);
	if (first) {
		x->next = first->next;
		first->next = x;
	} else {
		HASH_ADD_STR(w->by_id, id, x);
	}
	w->n++;
	return x;
}

void wait_stop(struct wait **w)
{
	struct wait *x = *w;

	if (!x)
		return;
	*w = NULL;
	unlink_wait(x);
	free(x);
}

void waits_end_all(struct waits *w)
{
	w->ended = true;
	while (w->by_id) {
		struct wait *x = w->by_id;

		unlink_wait(x);
		x->fn(x->data, WAIT_OVER);
		free(x);
	}
}

void waits_release(struct waits *w)
{
	while (w->by_id) {
		struct wait *x = w->by_id;

		unlink_wait(x);
		free(x);
	}
	bus_unsubscribe(&w->sub);
}
