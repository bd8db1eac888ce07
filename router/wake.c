/*
 * Waking idle nodes. It stands alone because it must cost nothing when a
 * lane is busy: the first publish wakes at once, all further ones within
 * 50 ms are one wake at the end of them. A wake is a core message; one that is
 * lost is made good by the nodes' own sweep.
 */
#include "router/wake.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"

#define QUIET_MS 50

struct wake {
	struct router *router;
	struct lane_entry *pending; /* oldest wake first */
	struct timeout timeout;
};

static void send_wake(struct wake *w, struct lane_entry *l, int64_t now_ms)
{
	char subject[LANE_MAX + 8];

	l->woken_mono_ms = now_ms;
	snprintf(subject, sizeof(subject), "wake.%s", l->lane.name);
	bus_send(w->router->bus, subject, "", 0);
}

static void on_timeout(struct timeout *t)
{
	struct wake *w = container_of(t, struct wake, timeout);
	int64_t now_ms = clock_mono_ms();
	struct lane_entry *l;

	while ((l = w->pending) && now_ms - l->woken_mono_ms >= QUIET_MS) {
		DL_DELETE2(w->pending, l, wprev, wnext);
		l->wake_pending = false;
		send_wake(w, l, now_ms);
		lane_unref(&l);
	}
	if (w->pending)
		timeout_start(&w->timeout, w->pending->woken_mono_ms + QUIET_MS - now_ms, on_timeout);
}

void wake_lane(struct wake *w, struct lane_entry *l)
{
	if (l->wake_pending)
		return;
	int64_t now_ms = clock_mono_ms();
	if (now_ms - l->woken_mono_ms >= QUIET_MS) {
		send_wake(w, l, now_ms);
		return;
	}
	l->wake_pending = true;
	lane_ref(l);
	DL_APPEND2(w->pending, l, wprev, wnext);
	if (!timeout_running(&w->timeout))
		timeout_start(&w->timeout, l->woken_mono_ms + QUIET_MS - now_ms, on_timeout);
}

struct wake *wake_new(struct router *r)
{
	struct wake *w = xcalloc(1, sizeof(*w));

	w->router = r;
	timeout_init(&w->timeout, r->timeouts);
	return w;
}

void wake_free(struct wake **w)
{
	free(TAKE(*w));
}
