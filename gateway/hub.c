/*
 * The ring of frames and who listens. It stands alone so that hundreds of
 * dashboards cost hardly more than one: a frame is made once, each listener
 * has a place (the number of the frame it needs next) and a reference to the one it
 * is sending.
 *
 * It goes well: a frame is published, those who wait are woken, each copies
 * from the same bytes. A listener that comes, or whose place has left the
 * ring, gets a snapshot, which those who need one within two seconds share.
 * It fails: a client that does not read stays at its place, and the server
 * ends it when nothing moved for long; what slow ones hold beside the ring is
 * bounded, over that they are broken off. A client that died is noticed at a
 * write, so everybody is written to at least every HUB_BEAT_MS.
 */
#include "gateway/hub.h"

#include <stdio.h>

#include <utlist.h>

#include "common/clock.h"

#define BEAT_LOOK_MS 2000
#define SNAPSHOT_SHARED_MS 2000
static const char heartbeat[] = ":\n\n";

struct frame {
	struct hub *hub;
	unsigned refs;
	uint64_t n;
	size_t len;
	char *text;
};

struct listener {
	struct hub *hub;
	struct http_request *request;
	struct frame *frame; /* being sent; NULL: none */
	size_t sent;
	uint64_t next_n; /* of the frame it needs then */
	bool anew;       /* it needs a snapshot first */
	bool beat;       /* a comment is due */
	bool waiting;    /* for http_stream_wake */
	int64_t moved_mono_ms;
	struct listener *prev, *next;
};

struct hub {
	struct hub_limits limits;
	struct hub_source source;
	char name[17];
	struct frame **ring; /* frame n at n % limits.frames */
	uint64_t newest, count;
	size_t ring_bytes, all_bytes;
	struct frame *snapshot; /* the last one made; NULL: none */
	int64_t snapshot_mono_ms;
	struct listener *listeners;
	size_t nlisteners;
	struct timeout beat;
	bool ended;
};

struct hub *hub_new(struct timeouts *all, const struct hub_limits *limits,
					const struct hub_source *source)
{
	struct hub *h = xcalloc(1, sizeof(*h));

	h->limits = *limits;
	h->source = *source;
	h->ring = xcalloc(limits->frames, sizeof(struct frame *));
	random_name(h->name);
	timeout_init(&h->beat, all);
	return h;
}

/* ---- frames ---- */

static void unref(struct frame *f)
{
	if (!f || --f->refs)
		return;
	f->hub->all_bytes -= f->len;
	free(f->text);
	free(f);
}

/* Returns owned: one reference. */
static struct frame *make(struct hub *h, const char *event, uint64_t n, const char *data,
						  size_t len)
{
	struct buf text = {0};
	struct frame *f = xmalloc(sizeof(*f));

	buf_reserve(&text, len + 100);
	buf_printf(&text, "id: %s-%llu\nevent: %s\ndata: ", h->name, (unsigned long long)n, event);
	buf_add(&text, data, len);
	buf_add_str(&text, "\n\n");
	*f = (struct frame){.hub = h, .refs = 1, .n = n, .len = text.len};
	f->text = xrealloc(text.data, text.len);
	h->all_bytes += f->len;
	return f;
}

static uint64_t oldest(const struct hub *h)
{
	return h->newest - h->count + 1;
}

static void drop_oldest(struct hub *h)
{
	struct frame **at = &h->ring[oldest(h) % h->limits.frames];

	h->ring_bytes -= (*at)->len;
	unref(TAKE(*at));
	h->count--;
}

/* ---- listeners ---- */

static void wake(struct listener *l)
{
	if (!l->waiting)
		return;
	l->waiting = false;
	http_stream_wake(l->request);
}

static bool in_ring(const struct hub *h, uint64_t next_n)
{
	return next_n >= oldest(h) && next_n <= h->newest + 1;
}

/* What l begins with, a reference of its own. NULL: not known yet. */
static struct frame *snapshot(struct hub *h)
{
	CLEANUP(buf_release) struct buf data = {0};
	int64_t now_ms = clock_mono_ms();

	if (!h->snapshot || now_ms - h->snapshot_mono_ms > SNAPSHOT_SHARED_MS ||
		!in_ring(h, h->snapshot->n + 1)) {
		unref(TAKE(h->snapshot));
		if (!h->source.snapshot(h->source.data, &data))
			return NULL;
		h->snapshot = make(h, "snapshot", h->newest, data.data ? data.data : "", data.len);
		h->snapshot_mono_ms = now_ms;
	}
	h->snapshot->refs++;
	return h->snapshot;
}

static struct frame *begin(struct listener *l)
{
	struct hub *h = l->hub;
	struct frame *f = NULL;

	if (h->source.snapshot) {
		f = snapshot(h);
		if (!f)
			return NULL;
		l->next_n = f->n + 1;
	} else {
		l->next_n = h->newest + 1;
	}
	l->anew = false;
	return f;
}

static struct frame *next_frame(struct listener *l)
{
	const struct hub *h = l->hub;
	struct frame *f;

	if (!in_ring(h, l->next_n))
		l->anew = true;
	if (l->anew)
		return begin(l);
	if (l->next_n > h->newest)
		return NULL;
	f = h->ring[l->next_n++ % h->limits.frames];
	f->refs++;
	return f;
}

static size_t held_bytes(const struct hub *h)
{
	return h->all_bytes - h->ring_bytes;
}

static ssize_t on_read(void *data, char *out, size_t max)
{
	struct listener *l = data;
	size_t n = 0;

	while (n < max) {
		if (!l->frame && l->hub->ended)
			return n ? (ssize_t)n : -1;
		if (!l->frame && !in_ring(l->hub, l->next_n) &&
			held_bytes(l->hub) > l->hub->limits.held_bytes)
			return n ? (ssize_t)n : -2;
		if (!l->frame)
			l->frame = next_frame(l);
		if (!l->frame)
			break;
		size_t part = MIN_OF(max - n, l->frame->len - l->sent);
		memcpy(out + n, l->frame->text + l->sent, part);
		n += part;
		l->sent += part;
		if (l->sent == l->frame->len) {
			unref(TAKE(l->frame));
			l->sent = 0;
		}
	}
	if (n == 0 && l->beat && max >= sizeof(heartbeat)) {
		n = sizeof(heartbeat) - 1;
		memcpy(out, heartbeat, n);
	}
	l->beat = l->beat && n == 0;
	l->waiting = n == 0;
	if (n > 0)
		l->moved_mono_ms = clock_mono_ms();
	return (ssize_t)n;
}

static void on_close(void *data)
{
	struct listener *l = data;
	struct hub *h = l->hub;

	DL_DELETE(h->listeners, l);
	h->nlisteners--;
	unref(l->frame);
	free(l);
	if (h->nlisteners == 0)
		timeout_stop(&h->beat);
	if (h->source.on_leave)
		h->source.on_leave(h->source.data);
}

static void on_beat(struct timeout *t)
{
	struct hub *h = container_of(t, struct hub, beat);
	int64_t now_ms = clock_mono_ms();
	struct listener *l;

	DL_FOREACH (h->listeners, l) {
		if (now_ms - l->moved_mono_ms < HUB_BEAT_MS - BEAT_LOOK_MS)
			continue;
		l->beat = true;
		wake(l);
	}
	timeout_start(&h->beat, BEAT_LOOK_MS, on_beat);
}

/* The number in an id of ours; false: it is none, or of another start of the gateway. */
static bool number_of(const struct hub *h, const char *id, uint64_t *ret)
{
	size_t len = strlen(h->name);
	const char *digits = id + len + 1;

	if (strncmp(id, h->name, len) != 0 || id[len] != '-' || !*digits || strlen(digits) > 19 ||
		strspn(digits, "0123456789") != strlen(digits))
		return false;
	*ret = strtoull(digits, NULL, 10);
	return true;
}

void hub_listen(struct hub *h, struct http_request *r, const char *last_id)
{
	struct listener *l = xcalloc(1, sizeof(*l));
	struct http_stream s = {on_read, on_close, l};
	uint64_t last;

	*l = (struct listener){.hub = h, .request = r, .anew = true, .beat = true};
	l->next_n = h->newest + 1;
	l->moved_mono_ms = clock_mono_ms();
	if (last_id && number_of(h, last_id, &last) && in_ring(h, last + 1)) {
		l->anew = false;
		l->next_n = last + 1;
	}
	DL_APPEND(h->listeners, l);
	if (h->nlisteners++ == 0)
		timeout_start(&h->beat, BEAT_LOOK_MS, on_beat);
	/* Caches keep none of it, and a proxy must not collect it. */
	http_answer_header(r, "Cache-Control", "no-store");
	http_answer_header(r, "X-Accel-Buffering", "no");
	http_reply_stream(r, 200, "text/event-stream", UINT64_MAX, &s);
}

/* ---- publishing ---- */

void hub_wake(struct hub *h)
{
	struct listener *l;

	DL_FOREACH (h->listeners, l) {
		wake(l);
	}
}

void hub_publish(struct hub *h, const char *event, const char *data, size_t len)
{
	struct frame *f = make(h, event, h->newest + 1, data, len);

	if (h->count == h->limits.frames)
		drop_oldest(h);
	h->newest++;
	h->count++;
	h->ring[h->newest % h->limits.frames] = f;
	h->ring_bytes += f->len;
	while (h->count > 1 && h->ring_bytes > h->limits.bytes)
		drop_oldest(h);
	hub_wake(h);
}

size_t hub_listeners(const struct hub *h)
{
	return h->nlisteners;
}

size_t hub_bytes(const struct hub *h)
{
	return h->all_bytes;
}

void hub_end(struct hub *h)
{
	h->ended = true;
	hub_wake(h);
}

void hub_free(struct hub **ph)
{
	struct hub *h = TAKE(*ph);

	if (!h)
		return;
	timeout_stop(&h->beat);
	while (h->count)
		drop_oldest(h);
	unref(h->snapshot);
	free(h->ring);
	free(h);
}
