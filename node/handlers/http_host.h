/*
 * A host that http handlers speak to: its connections, and its breaker.
 * Handlers of several types that name the same host share one.
 */
#pragma once

#include "common/curl_loop.h"
#include "node/handlers/breaker.h"

struct http_host;

struct http_host_config {
	struct breaker_config breaker;
	int64_t connections; /* at once at most; what is more waits in here */
};

/*
 * authority: "https://api.example.com:443". ERR_CONFLICT: it is there with another configuration.
 * Each needs an http_host_release.
 */
MUST_CHECK int http_host_get(uv_loop_t *loop, const char *authority,
							 const struct http_host_config *config, struct http_host **ret,
							 struct err *e);
/* No transfer of the caller is under way. on_released runs when nothing of it is left on the loop:
 * from within or later. */
void http_host_release(struct http_host **host, void (*on_released)(void *data), void *data);

/* As breaker_admit; what came of it is logged and counted. */
bool http_host_admit(struct http_host *h, unsigned *ret_ticket, int64_t *ret_wait_ns);
void http_host_report(struct http_host *h, unsigned ticket, enum breaker_outcome how);
const char *http_host_name(const struct http_host *h);

/* As curl_loop_start and curl_loop_abort. */
MUST_CHECK int http_host_start(struct http_host *h, struct curl_transfer *t, struct err *e);
void http_host_abort(struct http_host *h, struct curl_transfer *t);
