/*
 * The NATS service protocol (ADR-32) on plain subscriptions: nine for
 * discovery, one for each endpoint. Requests are counted and timed from
 * arrival to reply. A request whose handler forgot it is answered when the
 * service closes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "common/service.h"

#define VERBS 3
#define PREFIX "millrace-"
#define PART_HEADERS_BYTES 4096 /* of a part of our metrics, at most */

struct endpoint {
	struct service *service;
	char *name, *subject, *queue;
	void (*on_request)(void *data, struct service_request *r);
	void *data;
	struct bus_sub *sub;
	uint64_t requests, errors;
	int64_t busy_ns;
	char last_error[200];
};

struct discovery {
	struct service *service;
	enum { PING, INFO, STATS } verb;
	struct bus_sub *sub;
};

struct service_request {
	struct endpoint *endpoint;
	struct bus_msg *msg;
	int64_t began_ns;
	struct service_request *prev, *next;
};

struct service {
	struct bus *bus;
	char *name, *description, id[24], started[32];
	json_t *metadata;
	struct endpoint *endpoints;
	size_t n;
	struct discovery discovery[3 * VERBS];
	struct bus_sub *metrics;
	struct service_request *open;
	void *data;
};

/* ---- discovery ---- */

static json_t *identity(const struct service *s, const char *kind)
{
	return json_pack("{s:o, s:s, s:s, s:s, s:O}", "type",
	                 json_sprintf("io.nats.micro.v1.%s_response", kind), "name", s->name, "id", s->id,
	                 "version", MILLRACE_VERSION, "metadata", s->metadata);
}

static json_t *info(const struct service *s)
{
	json_t *j = identity(s, "info"), *list = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct endpoint *ep = &s->endpoints[i];
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:{}}", "name", ep->name, "subject", ep->subject,
		                                      "queue_group", ep->queue, "metadata"));
	}
	json_object_set_new(j, "description", json_string(s->description));
	json_object_set_new(j, "endpoints", list);
	return j;
}

static json_t *stats(const struct service *s)
{
	json_t *j = identity(s, "stats"), *list = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct endpoint *ep = &s->endpoints[i];
		int64_t average = ep->requests ? ep->busy_ns / (int64_t)ep->requests : 0;
		json_array_append_new(
		    list, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I}", "name", ep->name, "subject",
		                    ep->subject, "queue_group", ep->queue, "num_requests", (json_int_t)ep->requests,
		                    "num_errors", (json_int_t)ep->errors, "last_error", ep->last_error,
		                    "processing_time", (json_int_t)ep->busy_ns, "average_processing_time",
		                    (json_int_t)average));
	}
	json_object_set_new(j, "started", json_string(s->started));
	json_object_set_new(j, "endpoints", list);
	return j;
}

static void answer(struct bus *b, const struct bus_msg *m, const void *data, size_t len)
{
	struct err e;
	struct bus_out out = {.subject = bus_msg_reply(m), .data = data, .len = len};

	/* A reply address that is none is the asker's fault and loss. */
	if (out.subject && bus_publish(b, &out, &e))
		return;
}

static void on_discovery(void *data, struct bus_msg **m)
{
	struct discovery *d = data;
	json_t *j = NULL;

	switch (d->verb) {
	case PING:
		j = identity(d->service, "ping");
		break;
	case INFO:
		j = info(d->service);
		break;
	case STATS:
		j = stats(d->service);
		break;
	}
	CLEANUP(free_ptr) char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	if (text)
		answer(d->service->bus, *m, text, strlen(text));
}

/* How much of text[0..len) goes into one message: whole lines, unless one alone is too long. */
static size_t part_of(const char *text, size_t len, size_t max)
{
	const char *end = len > max ? memrchr(text, '\n', max) : NULL;

	return len <= max ? len : end ? (size_t)(end - text) + 1 : max;
}

static size_t parts_of(const struct buf *text, size_t max)
{
	size_t n = 0;

	for (size_t at = 0; at < text->len; at += part_of(text->data + at, text->len - at, max))
		n++;
	return n;
}

static void on_metrics(void *data, struct bus_msg **m)
{
	struct service *s = data;
	CLEANUP(buf_release) struct buf text = {0};
	size_t max = MAX_OF(bus_max_payload(s->bus), (size_t)2 * PART_HEADERS_BYTES) - PART_HEADERS_BYTES;
	size_t at = 0, n;
	char part[48];
	const struct bus_header headers[] = {{"Millrace-Component", service_component(s)},
	                                     {"Millrace-Instance", service_instance(s)},
	                                     {"Millrace-Part", part},
	                                     {"Content-Type", "text/plain; version=0.0.4"}};

	metrics_render(&text);
	n = parts_of(&text, max);
	for (size_t i = 1; at < text.len; i++) {
		size_t len = part_of(text.data + at, text.len - at, max);
		struct bus_out out = {.subject = bus_msg_reply(*m), .data = text.data + at, .len = len,
		                      .headers = headers, .nheaders = ARRAY_LEN(headers)};
		struct err e;

		snprintf(part, sizeof(part), "%zu/%zu", i, n);
		if (!out.subject || bus_publish(s->bus, &out, &e))
			return;
		at += len;
	}
}

bool service_metrics_read(const struct bus_msg *m, struct service_metrics *ret)
{
	const char *component = bus_msg_header(m, "Millrace-Component"),
	           *instance = bus_msg_header(m, "Millrace-Instance"), *part = bus_msg_header(m, "Millrace-Part");
	unsigned i = 1, n = 1;
	int len = 0;

	if (bus_msg_status(m) || !component || !instance)
		return false;
	/* Without the header one message is all. */
	if (part && (sscanf(part, "%3u/%3u%n", &i, &n, &len) != 2 || !len || part[len]))
		return false;
	*ret = (struct service_metrics){component, instance, i, n};
	return i >= 1 && i <= n && n <= SERVICE_PARTS_MAX;
}

const char *service_component(const struct service *s)
{
	return strncmp(s->name, PREFIX, sizeof(PREFIX) - 1) == 0 ? s->name + sizeof(PREFIX) - 1 : s->name;
}

const char *service_instance(const struct service *s)
{
	const char *named = json_string_value(json_object_get(s->metadata, service_component(s)));

	return named && *named ? named : s->id;
}

/* ---- requests ---- */

static void on_request(void *data, struct bus_msg **m)
{
	struct endpoint *ep = data;
	struct service_request *r = xmalloc(sizeof(*r));

	*r = (struct service_request){.endpoint = ep, .msg = TAKE(*m), .began_ns = clock_mono_ns()};
	ep->requests++;
	DL_APPEND(ep->service->open, r);
	ep->on_request(ep->data, r);
}

struct bus_msg *service_message(struct service_request *r)
{
	return r->msg;
}

void service_reply_with(struct service_request *r, const struct bus_header *h, size_t nh, const void *data, size_t len)
{
	struct endpoint *ep = r->endpoint;
	struct bus_out out = {.subject = bus_msg_reply(r->msg), .data = data, .len = len, .headers = h, .nheaders = nh};
	struct err e = {0};

	if (out.subject && bus_publish(ep->service->bus, &out, &e) == ERR_TOO_LARGE) {
		struct bus_header fault[] = {{"Nats-Service-Error-Code", "413"}, {"Nats-Service-Error", e.text}};
		struct bus_out small = {.subject = out.subject, .headers = fault, .nheaders = 2};
		if (bus_publish(ep->service->bus, &small, &e))
			ep->errors++;
	}
	ep->busy_ns += clock_mono_ns() - r->began_ns;
	DL_DELETE(ep->service->open, r);
	bus_msg_free(r->msg);
	free(r);
}

void service_reply(struct service_request *r, const char *content_type, const void *data, size_t len)
{
	struct bus_header h = {"Content-Type", content_type};

	service_reply_with(r, &h, content_type != NULL, data, len);
}

void service_fail(struct service_request *r, int code, const char *fmt, ...)
{
	struct endpoint *ep = r->endpoint;
	char number[16];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ep->last_error, sizeof(ep->last_error), fmt, ap);
	va_end(ap);
	ep->errors++;
	snprintf(number, sizeof(number), "%d", code);
	struct bus_header h[] = {{"Nats-Service-Error-Code", number}, {"Nats-Service-Error", ep->last_error},
	                         {"Content-Type", "application/json"}};
	json_t *j = json_pack("{s:s, s:i}", "error", ep->last_error, "code", code);
	if (!j) /* words that are no UTF-8 */
		j = json_pack("{s:s, s:i}", "error", "invalid request", "code", code);
	CLEANUP(free_ptr) char *text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	service_reply_with(r, h, ARRAY_LEN(h), text, strlen(text));
}

/* ---- open, close ---- */

static int open_discovery(struct service *s, struct err *e)
{
	static const char *const verbs[VERBS] = {"PING", "INFO", "STATS"};
	int rc = 0;

	for (unsigned v = 0; v < VERBS; v++) {
		CLEANUP(free_ptr) char *all = xasprintf("$SRV.%s", verbs[v]);
		CLEANUP(free_ptr) char *named = xasprintf("$SRV.%s.%s", verbs[v], s->name);
		CLEANUP(free_ptr) char *one = xasprintf("$SRV.%s.%s.%s", verbs[v], s->name, s->id);
		const char *subjects[] = {all, named, one};
		for (unsigned i = 0; !rc && i < ARRAY_LEN(subjects); i++) {
			struct discovery *d = &s->discovery[v * 3 + i];
			d->service = s;
			d->verb = v == 0 ? PING : v == 1 ? INFO : STATS;
			rc = bus_subscribe(s->bus, subjects[i], NULL, on_discovery, d, &d->sub, e);
		}
	}
	return rc;
}

int service_open(struct bus *b, const char *name, const char *description, const char *const *metadata,
                 const struct service_endpoint *endpoints, size_t n, void *data, struct service **ret,
                 struct err *e)
{
	struct service *s = xcalloc(1, sizeof(*s));
	uint8_t r[8];
	int rc;

	if (getentropy(r, sizeof(r)) != 0)
		abort();
	s->bus = b;
	s->data = data;
	s->name = xstrdup(name);
	s->description = xstrdup(description);
	s->metadata = json_object();
	for (; metadata && metadata[0] && metadata[1]; metadata += 2)
		json_object_set_new(s->metadata, metadata[0], json_string(metadata[1]));
	snprintf(s->id, sizeof(s->id), "%02X%02X%02X%02X%02X%02X%02X%02X", r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]);
	time_format(clock_wall_ns(), s->started);
	s->endpoints = xcalloc(n ? n : 1, sizeof(*s->endpoints));
	s->n = n;
	rc = open_discovery(s, e);
	if (!rc)
		rc = bus_subscribe(b, "ctl.metrics", NULL, on_metrics, s, &s->metrics, e);
	for (size_t i = 0; !rc && i < n; i++) {
		struct endpoint *ep = &s->endpoints[i];
		const char *queue = endpoints[i].queue ? endpoints[i].queue : name;
		*ep = (struct endpoint){.service = s, .name = xstrdup(endpoints[i].name), .queue = xstrdup(queue),
		                        .subject = xstrdup(endpoints[i].subject), .on_request = endpoints[i].on_request,
		                        .data = endpoints[i].data ? endpoints[i].data : data};
		rc = bus_subscribe(b, ep->subject, ep->queue, on_request, ep, &ep->sub, e);
	}
	if (rc) {
		service_close(&s);
		return rc;
	}
	*ret = s;
	return 0;
}

void service_close(struct service **ps)
{
	struct service *s = TAKE(*ps);

	if (!s)
		return;
	while (s->open)
		service_fail(s->open, 503, "%s is stopping", s->name);
	for (size_t i = 0; i < ARRAY_LEN(s->discovery); i++)
		bus_unsubscribe(&s->discovery[i].sub);
	bus_unsubscribe(&s->metrics);
	for (size_t i = 0; i < s->n; i++) {
		bus_unsubscribe(&s->endpoints[i].sub);
		free(s->endpoints[i].name);
		free(s->endpoints[i].subject);
		free(s->endpoints[i].queue);
	}
	free(s->endpoints);
	json_decref(s->metadata);
	free(s->name);
	free(s->description);
	free(s);
}
