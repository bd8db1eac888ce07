/*
 * A walk through DEAD by a short-lived pull consumer of its own, ack none and
 * headers only, filtered by type at the broker and by all else here: tens of
 * thousands of letters a second, so no index has to be kept (or be wrong)
 * anywhere. It goes well: consumer made, pages pulled until what is asked for
 * was told, the end is reached or the time is over; consumer deleted. It
 * fails: the broker goes, and it ends with that. A consumer that was not
 * deleted goes by itself.
 */
#include "router/dead_scan.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"

#define PAGE_FIRST 64u
#define PAGE_MAX 1000u
#define PAGE_BYTES_MAX ((size_t)8 << 20)
#define PAGE_EXPIRES_MS 1000
#define INACTIVE_NS (30 * NS_PER_S)

struct dead_scan {
	struct router *router;
	struct letter_select select;
	struct dead_scan_events events;
	struct dead_scan **owner;
	struct js_pull *pull;
	struct timeout timeout; /* for what must not happen before a call returned */
	struct err failed;
	char consumer[48];
	unsigned page;
	unsigned came;
	int64_t until_mono_ms;
	uint64_t next_seq;
	bool made, done;
};

static void on_deleted(void *data UNUSED, const json_t *reply UNUSED, int server_code UNUSED,
					   const struct err *e)
{
	if (e)
		log_debug("a consumer of DEAD goes by itself", LOG_S("why", e->text));
}

static void release(struct dead_scan *s)
{
	js_pull_close(&s->pull);
	timeout_stop(&s->timeout);
	if (s->made && bus_is_up(s->router->bus)) {
		CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.DELETE.DEAD.%s", s->consumer);
		struct err e;
		if (js_api(s->router->bus, verb, NULL, on_deleted, NULL, &e))
			log_debug("a consumer of DEAD goes by itself", LOG_S("why", e.text));
	}
	free(s);
}

static void finish(struct dead_scan *s)
{
	struct dead_scan_events ev = s->events;
	struct err e = s->failed;
	uint64_t next_seq = s->next_seq;

	*s->owner = NULL;
	release(s);
	ev.on_end(ev.data, next_seq, e.code ? &e : NULL);
}

static void on_finish(struct timeout *t)
{
	finish(container_of(t, struct dead_scan, timeout));
}

/* Nothing is freed inside a callback of the pull's. */
static void finish_soon(struct dead_scan *s)
{
	s->done = true;
	timeout_start(&s->timeout, 0, on_finish);
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct dead_scan *s = data;
	struct letter_message lm = {.subject = bus_msg_subject(*m),
								.seq = meta->stream_seq,
								.stored_wall_ns = meta->stored_wall_ns,
								.body_len = bus_msg_len(*m)};
	struct letter l;

	if (s->done)
		return;
	if (s->select.upto_seq && meta->stream_seq > s->select.upto_seq) {
		s->next_seq = 0;
		finish_soon(s);
		return;
	}
	s->came++;
	s->next_seq = meta->stream_seq + 1;
	lm.headers = bus_msg_headers(*m, &lm.nheaders);
	letter_read(&lm, &l);
	bool enough = letter_selected(&s->select, &l) && !s->events.on_letter(s->events.data, &l, &lm);
	if (meta->pending == 0)
		s->next_seq = 0;
	if (enough || meta->pending == 0 || clock_mono_ms() >= s->until_mono_ms)
		finish_soon(s);
}

static void ask(struct dead_scan *s)
{
	s->came = 0;
	if (js_pull_ask(s->pull, s->page, PAGE_EXPIRES_MS, PAGE_BYTES_MAX, &s->failed))
		finish_soon(s);
	s->page = MIN_OF(s->page * 2, PAGE_MAX);
}

static void on_end(void *data, enum js_pull_end why)
{
	struct dead_scan *s = data;

	if (s->done)
		return;
	switch (why) {
	case JS_PULL_FILLED:
		ask(s);
		return;
	case JS_PULL_EMPTY:
		if (s->came > 0) { /* the page's bytes were full */
			ask(s);
			return;
		}
		s->next_seq = 0;
		finish_soon(s);
		return;
	case JS_PULL_LOST:
	case JS_PULL_GONE:
		err_set(&s->failed, ERR_UNREACHABLE,
				"the broker stopped telling what is in DEAD; try again");
		finish_soon(s);
		return;
	}
}

static void on_created(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct dead_scan *s = data;
	struct js_pull_events ev = {.on_msg = on_msg, .on_end = on_end, .data = s};

	s->made = e == NULL;
	if (e)
		s->failed = *e;
	if (e || js_pull_open(s->router->bus, "DEAD", s->consumer, &ev, &s->pull, &s->failed)) {
		finish_soon(s);
		return;
	}
	if (json_integer_value(json_object_get(reply, "num_pending")) == 0) {
		s->next_seq = 0;
		finish_soon(s);
		return;
	}
	ask(s);
}

static int create_consumer(struct dead_scan *s, struct err *e)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:i, s:I}", "name", s->consumer,
							   "ack_policy", "none", "replay_policy", "instant", "headers_only", 1,
							   "mem_storage", 1, "inactive_threshold", (json_int_t)INACTIVE_NS,
							   "num_replicas", 1, "max_deliver", (json_int_t)-1);
	CLEANUP(free_ptr) char *verb = NULL;
	char since[32];

	/* A cursor is at least as late as what it went on from. */
	if (s->select.from_seq) {
		json_object_set_new(config, "deliver_policy", json_string("by_start_sequence"));
		json_object_set_new(config, "opt_start_seq", json_integer((json_int_t)s->select.from_seq));
	} else if (s->select.after_wall_ns > 0) {
		time_format(s->select.after_wall_ns, since);
		json_object_set_new(config, "deliver_policy", json_string("by_start_time"));
		json_object_set_new(config, "opt_start_time", json_string(since));
	} else {
		json_object_set_new(config, "deliver_policy", json_string("all"));
	}
	if (s->select.type[0]) {
		json_object_set_new(config, "filter_subject", json_sprintf("dead.%s", s->select.type));
		verb = xasprintf("CONSUMER.CREATE.DEAD.%s.dead.%s", s->consumer, s->select.type);
	} else {
		verb = xasprintf("CONSUMER.CREATE.DEAD.%s", s->consumer);
	}
	json_t *body = json_pack("{s:s, s:o}", "stream_name", "DEAD", "config", config);
	int rc = js_api(s->router->bus, verb, body, on_created, s, e);

	json_decref(body);
	return rc;
}

int dead_scan_start(struct router *r, const struct letter_select *select, int64_t budget_ms,
					const struct dead_scan_events *ev, struct dead_scan **ret, struct err *e)
{
	static unsigned long long counter;
	struct dead_scan *s = xcalloc(1, sizeof(*s));

	s->router = r;
	s->select = *select;
	s->events = *ev;
	s->owner = ret;
	s->page = PAGE_FIRST;
	s->next_seq = select->from_seq;
	s->until_mono_ms = clock_mono_ms() + budget_ms;
	timeout_init(&s->timeout, r->timeouts);
	snprintf(s->consumer, sizeof(s->consumer), "dead-%s-%llu", r->instance, ++counter);
	int rc = create_consumer(s, e);
	if (rc) {
		free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void dead_scan_stop(struct dead_scan **scan)
{
	struct dead_scan *s = TAKE(*scan);

	if (s)
		release(s);
}
