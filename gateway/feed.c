/*
 * The live tail. It stands alone because its source is another one than the
 * picture's: the store's notice `stored`, which is listened to only while
 * somebody wants it, and which may carry tens of thousands of tasks a second.
 *
 * It goes well: each notice's tasks are counted into the filters they match;
 * four times a second each filter's become one event, a hundred of them by
 * name and the others by number. A filter is kept for a minute after its last
 * listener left, so that one who comes back goes on where it was.
 * It fails: while the broker is away nothing comes, and what was stored
 * meanwhile was not heard; a notice that cannot be read is passed over. It
 * is a tail, not a record: /api/v1/tasks is that.
 */
#include "gateway/feed.h"

#include <stdio.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/token.h"
#include "gateway/gateway.h"
#include "gateway/hub.h"
#include "proto/event.pb-c.h"

#define FLUSH_MS 250
#define KEEP_MS 60000

static const char *const state_names[] = {
	[MILLRACE__STATE__STATE_SCHEDULED] = "scheduled",
	[MILLRACE__STATE__STATE_QUEUED] = "queued",
	[MILLRACE__STATE__STATE_RUNNING] = "running",
	[MILLRACE__STATE__STATE_COMPLETED] = "completed",
	[MILLRACE__STATE__STATE_DEAD] = "dead",
	[MILLRACE__STATE__STATE_CANCELLED] = "cancelled",
};
#define ALL_STATES (~0u)

struct feed {
	char type[TOKEN_MAX + 1]; /* "": all */
	unsigned states;          /* bits of Millrace__State */
	struct hub *hub;
	json_t *tasks; /* since the last event */
	uint64_t more;
	int64_t left_mono_ms; /* nobody has listened since */
	struct feed *prev, *next;
};

struct feeds {
	struct gateway *gateway;
	struct bus_sub *sub;
	struct feed *list;
	size_t n;
	struct timeout flush;
	struct metric *streams;
};

/* ---- what is stored ---- */

static const char *name_of(Millrace__State state)
{
	return (size_t)state < ARRAY_LEN(state_names) ? state_names[state] : NULL;
}

static void take(struct feeds *fs, const Millrace__Stored *t)
{
	const char *state = name_of(t->state);
	struct feed *f;

	if (!state)
		return;
	DL_FOREACH (fs->list, f) {
		if (!(f->states & 1u << t->state) || (*f->type && !str_eq(f->type, t->type)))
			continue;
		json_t *task =
			json_array_size(f->tasks) < FEED_BATCH_MAX
				? json_pack("{s:s, s:s, s:s}", "id", t->id, "type", t->type, "state", state)
				: NULL;
		if (task)
			json_array_append_new(f->tasks, task);
		else
			f->more++;
	}
}

static void on_stored(void *data, struct bus_msg **m)
{
	struct feeds *fs = data;
	ProtobufCMessage *record;
	struct err e;

	if (codec_decode(&millrace__stored_batch__descriptor, bus_msg_header(*m, "Content-Type"),
					 bus_msg_data(*m), bus_msg_len(*m), &record, &e)) {
		log_debug("a notice that cannot be read", LOG_S("why", e.text));
		return;
	}
	const Millrace__StoredBatch *batch = (const Millrace__StoredBatch *)record;

	for (size_t i = 0; i < batch->n_tasks; i++)
		take(fs, batch->tasks[i]);
	codec_free(record);
}

/* ---- four times a second ---- */

static void publish(struct feed *f)
{
	json_t *event;
	char *text;

	if (!json_array_size(f->tasks))
		return;
	event = json_pack("{s:o, s:I}", "tasks", f->tasks, "more", (json_int_t)f->more);
	text = json_dumps(event, JSON_COMPACT);
	if (text)
		hub_publish(f->hub, "tasks", text, strlen(text));
	free(text);
	json_decref(event);
	f->tasks = json_array();
	f->more = 0;
}

static void drop(struct feeds *fs, struct feed *f)
{
	DL_DELETE(fs->list, f);
	fs->n--;
	hub_free(&f->hub);
	json_decref(f->tasks);
	free(f);
}

static void on_flush(struct timeout *t)
{
	struct feeds *fs = container_of(t, struct feeds, flush);
	int64_t now_ms = clock_mono_ms();
	struct feed *f, *tmp;

	DL_FOREACH_SAFE (fs->list, f, tmp) {
		publish(f);
		if (hub_listeners(f->hub) > 0)
			f->left_mono_ms = now_ms;
		else if (now_ms - f->left_mono_ms > KEEP_MS)
			drop(fs, f);
	}
	metric_set(fs->streams, (double)feeds_listeners(fs));
	if (fs->list)
		timeout_start(t, FLUSH_MS, on_flush);
	else
		bus_unsubscribe(&fs->sub);
}

/* ---- listeners ---- */

/* 0: a name is none, and r was answered. */
static unsigned states_of(struct http_request *r, const char *names)
{
	unsigned states = 0;

	for (const char *at = names; at && *at;) {
		size_t len = strcspn(at, ","), i = 1;

		while (i < ARRAY_LEN(state_names) &&
			   !(strlen(state_names[i]) == len && strncmp(at, state_names[i], len) == 0))
			i++;
		if (len > 0 && i == ARRAY_LEN(state_names)) {
			http_problem(r, 400, "state",
						 "state: must be scheduled, queued, running, completed, dead or cancelled, "
						 "not \"%.*s\"",
						 (int)MIN_OF(len, (size_t)64), at);
			return 0;
		}
		states |= len > 0 ? 1u << i : 0;
		at += len + (at[len] == ',');
	}
	return states ? states : ALL_STATES;
}

static struct feed *find_or_make(struct feeds *fs, const char *type, unsigned states)
{
	const struct hub_limits limits = {.frames = 128, .bytes = 512 << 10, .held_bytes = 1 << 20};
	const struct hub_source source = {0};
	struct feed *f;

	DL_FOREACH (fs->list, f) {
		if (f->states == states && str_eq(f->type, type))
			return f;
	}
	if (fs->n == FEED_FILTERS_MAX)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	snprintf(f->type, sizeof(f->type), "%s", type);
	f->states = states;
	f->tasks = json_array();
	f->hub = hub_new(bus_timeouts(fs->gateway->bus), &limits, &source);
	f->left_mono_ms = clock_mono_ms();
	DL_APPEND(fs->list, f);
	fs->n++;
	return f;
}

void feeds_listen(struct feeds *fs, struct http_request *r, const char *type, const char *states,
				  const char *last_id)
{
	struct feed *f;
	struct err e;
	unsigned bits = states_of(r, states);

	if (!bits)
		return;
	if (type && *type && !token_ok(type, strlen(type))) {
		http_problem(r, 400, "type", "type: \"%.64s\" can be no type", type);
		return;
	}
	if (!fs->sub && bus_subscribe(fs->gateway->bus, "stored", NULL, on_stored, fs, &fs->sub, &e)) {
		http_fail(r, &e);
		return;
	}
	f = find_or_make(fs, type ? type : "", bits);
	if (!f) {
		http_problem(r, 429, NULL, "%d different filters are listened with; that is the most",
					 FEED_FILTERS_MAX);
		return;
	}
	if (!timeout_running(&fs->flush))
		timeout_start(&fs->flush, FLUSH_MS, on_flush);
	hub_listen(f->hub, r, last_id);
}

size_t feeds_listeners(const struct feeds *fs)
{
	const struct feed *f;
	size_t n = 0;

	DL_FOREACH (fs->list, f) {
		n += hub_listeners(f->hub);
	}
	return n;
}

/* ---- life ---- */

struct feeds *feeds_new(struct gateway *g)
{
	struct feeds *fs = xcalloc(1, sizeof(*fs));

	fs->gateway = g;
	timeout_init(&fs->flush, bus_timeouts(g->bus));
	fs->streams =
		metric_gauge("millrace_gateway_streams", "Listeners of /events.", "feed=\"tasks\"");
	return fs;
}

void feeds_end(struct feeds *fs)
{
	struct feed *f;

	DL_FOREACH (fs->list, f) {
		hub_end(f->hub);
	}
}

void feeds_free(struct feeds **pfs)
{
	struct feeds *fs = TAKE(*pfs);

	if (!fs)
		return;
	timeout_stop(&fs->flush);
	bus_unsubscribe(&fs->sub);
	while (fs->list)
		drop(fs, fs->list);
	free(fs);
}
