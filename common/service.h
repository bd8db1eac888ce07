/*
 * A component as a NATS service: answers $SRV.PING, INFO and STATS, so that
 * `nats micro ls` shows it, and serves its endpoints in a queue group.
 * Every service also answers ctl.metrics with its Prometheus text, and says in headers who it is:
 * Millrace-Component ("router") and Millrace-Instance (the name that it was given, as a node's, else
 * the service's id). What is over the broker's limit comes in several messages, cut between lines;
 * Millrace-Part: 1/3 tells.
 */
#pragma once

#include <jansson.h>

#include "common/bus.h"

struct service;
struct service_request; /* one request under way; owned by the handler until replied */

struct service_endpoint {
	const char *name;    /* "task-get" */
	const char *subject; /* "api.task.get"; wildcards allowed */
	const char *queue;   /* NULL: the service's name */
	/* Must end in exactly one service_reply or service_fail, now or later. */
	void (*on_request)(void *data, struct service_request *r);
	void *data; /* NULL: the service's */
};

/* name: [A-Za-z0-9_-]+. metadata: NULL-terminated pairs key, value, or NULL. Strings are copied. */
MUST_CHECK int service_open(struct bus *bus, const char *name, const char *description,
                            const char *const *metadata, const struct service_endpoint *endpoints, size_t n,
                            void *data, struct service **ret, struct err *e);
/* What it is called in metrics: "router"; and which of them, as it says with ctl.metrics. */
const char *service_component(const struct service *s);
const char *service_instance(const struct service *s);
/* Who told a message that answers ctl.metrics, and which part of a text it is; strings are the message's. */
struct service_metrics {
	const char *component, *instance;
	unsigned part, parts; /* from 1 */
};
#define SERVICE_PARTS_MAX 256
/* false: it is none (nobody answers), or does not say who it is: nothing may be added up then. */
bool service_metrics_read(const struct bus_msg *m, struct service_metrics *ret);
/* Open requests are answered 503. */
void service_close(struct service **s);

struct bus_msg *service_message(struct service_request *r); /* borrowed until replied */
void service_reply(struct service_request *r, const char *content_type, const void *data, size_t len);
void service_reply_with(struct service_request *r, const struct bus_header *h, size_t nh, const void *data, size_t len);
/* Nats-Service-Error-Code and Nats-Service-Error; code as in HTTP. The body is {"error": …, "code": …}. */
void service_fail(struct service_request *r, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
