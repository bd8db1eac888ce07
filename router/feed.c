/*
 * Asking a consumer for as much as there is room for. It stands alone
 * because TASKS, events.act and every due bucket of DELAYED are read alike.
 * Well: a request is filled or runs empty, and the next one follows at once.
 * Badly: the consumer is missing or the broker is moving; then the next one
 * waits, from a tenth of a second to two. While the broker is away nothing is
 * asked: router_poke does so when it is back.
 */
#include "router/feed.h"

#include "common/clock.h"
#include "common/log.h"

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS 2000
/* A request that runs empty sooner than this, without a message, is not repeated at once. */
#define TOO_SOON_MS 20

struct feed {
	struct router *router;
	struct feed_config config;
	char *stream, *consumer;
	struct js_pull *pull;
	struct timeout timeout;
	int64_t retry_ms;
	int64_t asked_mono_ms;
	unsigned came; /* messages of this request */
};

static void on_timeout(struct timeout *t)
{
	feed_poke(container_of(t, struct feed, timeout));
}

static void ask_later(struct feed *f)
{
	timeout_start(&f->timeout, f->retry_ms, on_timeout);
	f->retry_ms = MIN_OF(f->retry_ms * 2, RETRY_MAX_MS);
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct feed *f = data;

	f->came++;
	f->retry_ms = RETRY_FIRST_MS;
	f->config.on_msg(f->config.data, m, meta);
}

static void on_end(void *data, enum js_pull_end why)
{
	struct feed *f = data;

	switch (why) {
	case JS_PULL_FILLED:
		feed_poke(f);
		return;
	case JS_PULL_EMPTY:
		if (f->config.on_empty && f->config.on_empty(f->config.data))
			return;
		if (f->came == 0 && clock_mono_ms() - f->asked_mono_ms < TOO_SOON_MS)
			ask_later(f);
		else
			feed_poke(f);
		return;
	case JS_PULL_LOST:
	case JS_PULL_GONE:
		if (!f->config.on_lost || !f->config.on_lost(f->config.data))
			ask_later(f);
		return;
	}
}

int feed_open(struct router *r, const struct feed_config *c, struct feed **ret, struct err *e)
{
	struct feed *f = xcalloc(1, sizeof(*f));
	struct js_pull_events events = {.on_msg = on_msg, .on_end = on_end, .data = f};
	int rc = js_pull_open(r->bus, c->stream, c->consumer, &events, &f->pull, e);

	if (rc) {
		free(f);
		return rc;
	}
	f->router = r;
	f->config = *c;
	f->stream = xstrdup(c->stream);
	f->consumer = xstrdup(c->consumer);
	f->retry_ms = RETRY_FIRST_MS;
	timeout_init(&f->timeout, r->timeouts);
	*ret = f;
	return 0;
}

void feed_poke(struct feed *f)
{
	struct err e;

	if (!f || js_pull_credits(f->pull) > 0 || timeout_running(&f->timeout) ||
		!router_may_take(f->router))
		return;
	unsigned batch = MIN_OF(f->config.room(f->config.data), f->config.batch);
	if (batch == 0)
		return;
	f->came = 0;
	f->asked_mono_ms = clock_mono_ms();
	if (js_pull_ask(f->pull, batch, f->config.expires_ms, f->config.max_bytes, &e)) {
		log_debug("not asked", LOG_S("stream", f->stream), LOG_S("why", e.text));
		ask_later(f);
	}
}

void feed_close(struct feed **pf)
{
	struct feed *f = TAKE(*pf);

	if (!f)
		return;
	timeout_stop(&f->timeout);
	js_pull_close(&f->pull);
	free(f->stream);
	free(f->consumer);
	free(f);
}
