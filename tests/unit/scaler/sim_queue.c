/* A ring that grows, and a binary heap: as in every textbook, and for the simulator alone. */
#include "tests/unit/scaler/sim_queue.h"

#include <assert.h>

size_t sim_queue_len(const struct sim_queue *q)
{
	return q->len;
}

double sim_queue_first(const struct sim_queue *q)
{
	assert(q->len);
	return q->items[q->first];
}

void sim_queue_push(struct sim_queue *q, double at_s)
{
	if (q->len == q->size) {
		size_t size = q->size ? 2 * q->size : 1024;
		double *items = xmalloc(size * sizeof(*items));

		for (size_t i = 0; i < q->len; i++)
			items[i] = q->items[(q->first + i) % q->size];
		free(q->items);
		q->items = items;
		q->first = 0;
		q->size = size;
	}
	q->items[(q->first + q->len++) % q->size] = at_s;
}

double sim_queue_pop(struct sim_queue *q)
{
	double at_s = sim_queue_first(q);

	q->first = (q->first + 1) % q->size;
	q->len--;
	return at_s;
}

void sim_queue_release(struct sim_queue *q)
{
	free(q->items);
	*q = (struct sim_queue){0};
}

size_t sim_heap_len(const struct sim_heap *h)
{
	return h->len;
}

struct sim_end sim_heap_first(const struct sim_heap *h)
{
	assert(h->len);
	return h->items[0];
}

void sim_heap_push(struct sim_heap *h, struct sim_end end)
{
	if (h->len == h->size) {
		h->size = h->size ? 2 * h->size : 256;
		h->items = xreallocarray(h->items, h->size, sizeof(*h->items));
	}
	size_t i = h->len++;

	for (; i > 0 && h->items[(i - 1) / 2].at_s > end.at_s; i = (i - 1) / 2)
		h->items[i] = h->items[(i - 1) / 2];
	h->items[i] = end;
}

struct sim_end sim_heap_pop(struct sim_heap *h)
{
	struct sim_end top = sim_heap_first(h), last = h->items[--h->len];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < h->len) {
		if (child + 1 < h->len && h->items[child + 1].at_s < h->items[child].at_s)
			child++;
		if (h->items[child].at_s >= last.at_s)
			break;
		h->items[i] = h->items[child];
		i = child;
	}
	h->items[i] = last;
	return top;
}

void sim_heap_release(struct sim_heap *h)
{
	free(h->items);
	*h = (struct sim_heap){0};
}
