/*
 * A watch is an ephemeral push consumer that delivers the last message of
 * every key and then each new one, without acks, to a subject of its own: a
 * push consumer is only active for a literal subscription, so the shared
 * wildcard inbox would never hear from it.
 * After a reconnect, when the heartbeats stop, or when a delivery is missing,
 * it is made anew and tells everything again; a revision that was told already is told twice rather
 * than once too few.
 *
 *   (new) --create--> CREATING --ok--> TELLING --all told--> WATCHING
 *     ^                  | error           | silence, reconnect, |
 *     |                  |                 | a gap               |
 *     +----- RETRY_MS ---+-----------------+---------------------+
 */
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"

#define HEARTBEAT_MS 5000
#define SILENCE_MS (3 * HEARTBEAT_MS)
#define RETRY_MS 500

struct kv_watch {
	struct bus *bus;
	char *bucket, *stream, *filter, *prefix; /* stream: "KV_<bucket>", prefix: "$KV.<bucket>." */
	kv_on_entry on_entry;
	void *data;
	char consumer[24];      /* a new name each time it is made */
	struct bus_sub *sub;
	struct bus_call *call;
	struct timeout timeout; /* silence, or the next try */
	struct bus_hook hook;
	uint64_t seq;           /* of the last delivery */
	uint64_t left;          /* of the entries that were there at the start; UINT64_MAX: not known yet */
	bool told, closed, complained;
};

static void create(struct kv_watch *w);

static void on_timeout(struct timeout *t)
{
	create(container_of(t, struct kv_watch, timeout));
}

static void drop_consumer(struct kv_watch *w)
{
	bus_unsubscribe(&w->sub);
	bus_call_cancel(&w->call);
}

static void maybe_told(struct kv_watch *w)
{
	if (w->left == 0 && !w->told) {
		w->told = true;
		w->on_entry(w->data, &(struct kv_entry){0});
	}
}

static void tell(struct kv_watch *w, const struct bus_msg *m, const struct js_meta *meta)
{
	struct kv_entry entry = {
	    .key = bus_msg_subject(m) + strlen(w->prefix),
	    .value = bus_msg_data(m),
	    .len = bus_msg_len(m),
	    .revision = meta->stream_seq,
	    .stored_wall_ns = meta->stored_wall_ns,
	    .deleted = bus_msg_header(m, "KV-Operation") != NULL,
	};

	w->on_entry(w->data, &entry);
	if (w->closed || w->told)
		return;
	w->left = meta->pending;
	maybe_told(w);
}

/* A flow control request is to be answered; a heartbeat tells the last delivery, and a request that was lost. */
static void on_control(struct kv_watch *w, const struct bus_msg *m)
{
	const char *last = bus_msg_header(m, "Nats-Last-Consumer"), *stalled = bus_msg_header(m, "Nats-Consumer-Stalled");

	if (bus_msg_reply(m))
		bus_send(w->bus, bus_msg_reply(m), "", 0);
	else if (stalled)
		bus_send(w->bus, stalled, "", 0);
	if (last && strtoull(last, NULL, 10) != w->seq)
		create(w);
}

/* Entries come under their own subject, the rest under the address of the watch. */
static void on_message(void *data, struct bus_msg **m)
{
	struct kv_watch *w = data;
	struct js_meta meta;
	struct err e;

	timeout_start(&w->timeout, SILENCE_MS, on_timeout);
	if (strncmp(bus_msg_subject(*m), w->prefix, strlen(w->prefix)) != 0) {
		on_control(w, *m);
	} else if (!js_meta_parse(bus_msg_reply(*m), &meta, &e)) {
		if (meta.consumer_seq == w->seq + 1) {
			w->seq++;
			tell(w, *m, &meta);
		} else {
			create(w);
		}
	}
}

static void retry(struct kv_watch *w)
{
	drop_consumer(w);
	timeout_start(&w->timeout, RETRY_MS, on_timeout);
}

static void on_created(void *data, struct bus_msg **m, const struct err *failed)
{
	struct kv_watch *w = data;
	const char *words = failed ? failed->text : NULL;
	json_error_t je;
	json_t *j = failed ? NULL : json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, &je);
	const json_t *error = json_object_get(j, "error");
	const json_t *pending = json_object_get(j, "num_pending");

	if (error)
		words = json_string_value(json_object_get(error, "description"));
	if (failed || error || !json_is_object(j)) {
		if (bus_is_up(w->bus) && !w->complained)
			log_warn("cannot watch a bucket, trying on", LOG_S("bucket", w->bucket), LOG_S("why", words));
		w->complained = true;
		retry(w);
	} else {
		w->complained = false;
		timeout_start(&w->timeout, SILENCE_MS, on_timeout);
		/* Entries may have come before this answer; they counted for themselves. */
		if (json_integer_value(pending) == 0 && w->left == UINT64_MAX)
			w->left = 0;
		maybe_told(w);
	}
	json_decref(j);
}

static void create(struct kv_watch *w)
{
	uint8_t r[8];
	struct err e;

	drop_consumer(w);
	timeout_stop(&w->timeout);
	if (!bus_is_up(w->bus))
		return; /* on_up comes here again */
	if (getentropy(r, sizeof(r)) != 0)
		abort();
	snprintf(w->consumer, sizeof(w->consumer), "w%02x%02x%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3],
	         r[4], r[5], r[6], r[7]);
	w->seq = 0;
	w->left = UINT64_MAX;
	w->told = false;
	CLEANUP(free_ptr) char *address = xasprintf("%sw.%s", bus_inbox_prefix(w->bus), w->consumer);
	if (bus_subscribe(w->bus, address, NULL, on_message, w, &w->sub, &e)) {
		log_warn("cannot watch a bucket, trying on", LOG_S("bucket", w->bucket), LOG_S("why", e.text));
		retry(w);
		return;
	}
	CLEANUP(free_ptr) char *filter = xasprintf("%s%s", w->prefix, w->filter);
	json_t *body = json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:I, s:b}}", "stream_name", w->stream,
	                         "config", "name", w->consumer, "deliver_subject", address,
	                         "ack_policy", "none", "deliver_policy", "last_per_subject", "filter_subject", filter,
	                         "idle_heartbeat", (json_int_t)(HEARTBEAT_MS * NS_PER_MS), "inactive_threshold",
	                         (json_int_t)(60 * NS_PER_S), "mem_storage", 1, "num_replicas", (json_int_t)1,
	                         "flow_control", 1);
	CLEANUP(free_ptr) char *text = json_dumps(body, JSON_COMPACT);
	CLEANUP(free_ptr) char *subject =
	    xasprintf("$JS.API.CONSUMER.CREATE.%s.%s.%s", w->stream, w->consumer, filter);
	json_decref(body);
	if (bus_request(w->bus, &(struct bus_out){.subject = subject, .data = text, .len = strlen(text)},
	                JS_API_TIMEOUT_MS, on_created, w, &w->call, &e)) {
		log_warn("cannot watch a bucket, trying on", LOG_S("bucket", w->bucket), LOG_S("why", e.text));
		retry(w);
	}
}

static void on_up(struct bus_hook *h)
{
	create(container_of(h, struct kv_watch, hook));
}

int kv_watch(struct bus *b, const char *bucket, const char *filter, kv_on_entry on_entry, void *data,
             struct kv_watch **ret, struct err *e)
{
	if (strpbrk(filter, " \t\r\n"))
		return err_set(e, ERR_INVALID, "not a filter for keys: \"%.100s\"", filter);
	struct kv_watch *w = xcalloc(1, sizeof(*w));
	w->bus = b;
	w->bucket = xstrdup(bucket);
	w->stream = xasprintf("KV_%s", bucket);
	w->filter = xstrdup(filter);
	w->prefix = xasprintf("$KV.%s.", bucket);
	w->on_entry = on_entry;
	w->data = data;
	w->hook.on_up = on_up;
	timeout_init(&w->timeout, bus_timeouts(b));
	bus_hook_add(b, &w->hook);
	/* Not from here: no callback may run before this returned, and on_up does it when the broker comes. */
	if (bus_is_up(b))
		timeout_start(&w->timeout, 0, on_timeout);
	*ret = w;
	return 0;
}

static void free_closed(void *data)
{
	struct kv_watch *w = data;

	free(w->bucket);
	free(w->stream);
	free(w->filter);
	free(w->prefix);
	free(w);
}

void kv_watch_stop(struct kv_watch **pw)
{
	struct kv_watch *w = TAKE(*pw);

	if (!w)
		return;
	drop_consumer(w);
	timeout_stop(&w->timeout);
	bus_hook_remove(w->bus, &w->hook);
	w->closed = true;
	bus_defer(w->bus, free_closed, w);
}
