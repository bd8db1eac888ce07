/*
 * A binary heap by due time behind one uv timer. The timer is armed for the
 * earliest; when that one is stopped the timer is left to fire once for
 * nothing, which is cheaper than re-arming it with every PubAck.
 */
#include "common/timeouts.h"

#include "common/clock.h"

struct timeouts {
	uv_timer_t timer;
	struct timeout **heap; /* from 1 */
	size_t len, cap;
	int64_t armed_for_ms; /* 0: not armed */
};

static void put(struct timeouts *all, size_t at, struct timeout *t)
{
	all->heap[at] = t;
	t->at = at;
}

static void sift_up(struct timeouts *all, struct timeout *t)
{
	size_t at = t->at;

	for (; at > 1 && all->heap[at / 2]->due_ms > t->due_ms; at /= 2)
		put(all, at, all->heap[at / 2]);
	put(all, at, t);
}

static void sift_down(struct timeouts *all, struct timeout *t)
{
	size_t at = t->at;

	while (at * 2 <= all->len) {
		size_t child = at * 2;
		if (child < all->len && all->heap[child + 1]->due_ms < all->heap[child]->due_ms)
			child++;
		if (all->heap[child]->due_ms >= t->due_ms)
			break;
		put(all, at, all->heap[child]);
		at = child;
	}
	put(all, at, t);
}

static void on_timer(uv_timer_t *timer);

static void arm(struct timeouts *all)
{
	if (!all->len)
		return;
	int64_t due = all->heap[1]->due_ms;
	if (all->armed_for_ms && all->armed_for_ms <= due)
		return;
	int64_t wait = due - clock_mono_ms();
	all->armed_for_ms = due;
	/* The loop's own idea of now may be a turn old: a timer relative to it would be early. */
	uv_update_time(all->timer.loop);
	uv_timer_start(&all->timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
	struct timeouts *all = timer->data;
	int64_t now = clock_mono_ms();

	all->armed_for_ms = 0;
	/* fn may start and stop others, this one too; what it starts is due later than now. */
	while (all->len && all->heap[1]->due_ms <= now) {
		struct timeout *t = all->heap[1];
		timeout_stop(t);
		t->fn(t);
	}
	arm(all);
}

struct timeouts *timeouts_new(uv_loop_t *loop)
{
	struct timeouts *all = xcalloc(1, sizeof(*all));

	uv_timer_init(loop, &all->timer);
	all->timer.data = all;
	return all;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void timeouts_free(struct timeouts *all)
{
	if (!all)
		return;
	for (size_t i = 1; i <= all->len; i++)
		all->heap[i]->at = 0;
	free(all->heap);
	uv_close((uv_handle_t *)&all->timer, on_closed);
}

void timeout_init(struct timeout *t, struct timeouts *all)
{
	*t = (struct timeout){.all = all};
}

void timeout_stop(struct timeout *t)
{
	struct timeouts *all = t->all;

	if (!t->at)
		return;
	struct timeout *last = all->heap[all->len--];
	if (last != t) {
		put(all, t->at, last);
		sift_up(all, last);
		sift_down(all, last);
	}
	t->at = 0;
}

void timeout_start(struct timeout *t, int64_t after_ms, void (*fn)(struct timeout *t))
{
	struct timeouts *all = t->all;

	timeout_stop(t);
	t->fn = fn;
	t->due_ms = clock_mono_ms() + MAX_OF(after_ms, 1);
	if (all->len + 2 > all->cap) {
		all->cap = all->cap ? all->cap * 2 : 64;
		all->heap = xreallocarray(all->heap, all->cap, sizeof(struct timeout *));
	}
	put(all, ++all->len, t);
	sift_up(all, t);
	arm(all);
}

bool timeout_running(const struct timeout *t)
{
	return t->at != 0;
}
