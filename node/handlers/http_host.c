/*
 * A host of http handlers. One of it for each host, so that connections are
 * reused and counted per host, whichever handlers speak to it.
 *
 * Well: transfers come and go on its curl_loop. Badly: the breaker hears of it
 * from the handler. The last one to release it waits until nothing of it is
 * left on the loop.
 */
#include "node/handlers/http_host.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"

struct http_host {
	uv_loop_t *loop;
	char *authority;
	struct http_host_config config;
	unsigned refs;
	struct curl_loop *curl;
	struct breaker breaker;
	struct metric *state, *opened, *refused;
	void (*on_released)(void *data);
	void *data;
	struct http_host *prev, *next;
};

static struct http_host *hosts; /* of this process: few */

/* ---- transfers ---- */

int http_host_start(struct http_host *h, struct curl_transfer *t, struct err *e)
{
	return curl_loop_start(h->curl, t, e);
}

void http_host_abort(struct http_host *h, struct curl_transfer *t)
{
	curl_loop_abort(h->curl, t);
}

/* ---- the breaker ---- */

const char *http_host_name(const struct http_host *h)
{
	return h->authority;
}

static void tell(struct http_host *h)
{
	char rest[32];

	metric_set(h->state, (double)h->breaker.state);
	switch (h->breaker.state) {
	case BREAKER_OPEN:
		duration_format(h->config.breaker.open_ns, rest);
		metric_add(h->opened, 1);
		log_warn("a host fails; its tasks wait", LOG_S("host", h->authority),
				 LOG_S("breaker", "open"), LOG_S("next_try", rest));
		return;
	case BREAKER_HALF_OPEN:
		log_info("a host that failed is tried again", LOG_S("host", h->authority),
				 LOG_S("breaker", "half-open"));
		return;
	case BREAKER_CLOSED:
		log_info("a host that failed answers again", LOG_S("host", h->authority),
				 LOG_S("breaker", "closed"));
		return;
	}
}

bool http_host_admit(struct http_host *h, unsigned *ret_ticket, int64_t *ret_wait_ns)
{
	enum breaker_state before = h->breaker.state;
	bool may = breaker_admit(&h->breaker, clock_mono_ns(), ret_ticket, ret_wait_ns);

	if (h->breaker.state != before)
		tell(h);
	if (!may)
		metric_add(h->refused, 1);
	return may;
}

void http_host_report(struct http_host *h, unsigned ticket, enum breaker_outcome how)
{
	if (breaker_report(&h->breaker, clock_mono_ns(), ticket, how))
		tell(h);
}

/* ---- life ---- */

static bool same(const struct http_host_config *a, const struct http_host_config *b)
{
	const struct breaker_config *x = &a->breaker, *y = &b->breaker;

	return a->connections == b->connections && x->failures == y->failures &&
		   x->percent == y->percent && x->calls == y->calls && x->window_ns == y->window_ns &&
		   x->open_ns == y->open_ns && x->probes == y->probes;
}

static void make_metrics(struct http_host *h)
{
	CLEANUP(free_ptr) char *label = xasprintf("host=\"%s\"", h->authority);

	h->state =
		metric_gauge("millrace_node_http_breaker_state", "0 closed, 1 open, 2 half-open.", label);
	h->opened = metric_counter("millrace_node_http_breaker_opened_total",
							   "How often a host's breaker opened.", label);
	h->refused = metric_counter("millrace_node_http_breaker_refused_total",
								"Tasks returned unspent, as the breaker was open.", label);
}

static struct http_host *make(uv_loop_t *loop, const char *authority,
							  const struct http_host_config *config)
{
	struct http_host *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->authority = xstrdup(authority);
	h->config = *config;
	h->curl = curl_loop_open(loop, (long)config->connections);
	breaker_init(&h->breaker, &config->breaker);
	make_metrics(h);
	DL_APPEND(hosts, h);
	return h;
}

int http_host_get(uv_loop_t *loop, const char *authority, const struct http_host_config *config,
				  struct http_host **ret, struct err *e)
{
	struct http_host *h = NULL;

	DL_FOREACH (hosts, h) {
		if (h->loop == loop && str_eq(h->authority, authority))
			break;
	}
	if (h && !same(&h->config, config))
		return err_set(e, ERR_CONFLICT,
					   "%s is another handler's too, which has other values for connections or "
					   "breaker: a host has one set of them",
					   authority);
	if (!h)
		h = make(loop, authority, config);
	h->refs++;
	*ret = h;
	return 0;
}

static void on_curl_closed(void *data)
{
	struct http_host *h = data;
	void (*on_released)(void *data) = h->on_released;
	void *its = h->data;

	free(h->authority);
	free(h);
	on_released(its);
}

void http_host_release(struct http_host **host, void (*on_released)(void *data), void *data)
{
	struct http_host *h = TAKE(*host);

	if (!h || --h->refs > 0) {
		on_released(data);
		return;
	}
	DL_DELETE(hosts, h);
	h->on_released = on_released;
	h->data = data;
	curl_loop_close(&h->curl, on_curl_closed, h);
}
