/*
 * A task on its way from an HTTP request to TASKS: read by the same code as the
 * router's, so that what would be a dead letter there is refused here with the
 * field at fault; then published under its id, which makes repeating harmless.
 */
#pragma once

#include "common/submission.h"
#include "gateway/gateway.h"

struct draft_task {
	struct submission task; /* its id, lane and headers; body NULL: body_fd */
	struct keep *kept;      /* what came by HTTP headers */
	int body_fd;            /* a large body: borrowed of the exchange; -1: none */
	uint64_t body_len;
	char *object; /* bucket/name, once the body lies there */
};

/*
 * A spec as JSON (text is borrowed until draft_task_release). An id it always has: the spec's own,
 * else one made of the idempotency_key (or NULL), else a new one.
 */
MUST_CHECK int draft_task_json(const struct gateway *g, const char *text, size_t len,
							   const char *idempotency_key, struct draft_task *ret, struct err *e);
/* The request's body is the payload, its Task-* headers the facts. */
MUST_CHECK int draft_task_raw(struct gateway *g, struct http_request *r, const char *type,
							  struct draft_task *ret, struct err *e);
void draft_task_release(struct draft_task *d);

/* e NULL: it is durable; duplicate: it was there before. */
typedef void (*submit_done)(void *data, bool duplicate, const struct err *e);
struct submitting;
/* d is borrowed until submit_done. Never calls it before returning. */
void submit_publish(struct gateway *g, struct draft_task *d, submit_done done, void *data);

/* ---- one task, answered ---- */

struct submit_style {
	/* The answer once it is accepted; NULL: {"id", "task_id", "type", "state", "status", "duplicate"}. Returns owned. */
	json_t *(*accepted)(const char *id, const char *type, bool duplicate);
	/* The answer once it ended, where the request waits (?wait=); NULL: task_view. */
	json_t *(*ended)(const json_t *task);
	bool result_only; /* wait (?wait=, else 60 s); the answer is the result's bytes */
};
/* Takes over r. text is copied where it must live longer. style NULL: the usual one; it must outlive the exchange. */
void submit_spec(struct gateway *g, struct http_request *r, const char *text, size_t len,
				 const struct submit_style *style);
/* The same for draft_task_raw. */
void submit_raw(struct gateway *g, struct http_request *r, const char *type,
				const struct submit_style *style);

#define SUBMIT_WAIT_DEFAULT_MS 30000
#define SUBMIT_WAIT_MOST_MS 300000
/* ?wait=D. ERR_INVALID names it. */
MUST_CHECK int submit_wait_ms(const struct http_request *r, int64_t default_ms, int64_t *ret_ms,
							  struct err *e);
