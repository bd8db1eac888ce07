/*
 * Handlers that only compute: bytes in, bytes out, no waiting. Small bodies
 * at once on the loop, larger ones in a thread. hash and stats are such.
 */
#pragma once

#include "common/buf.h"
#include "node/handler.h"

/* What is computed; also called from a thread. A failure is for good: the same bytes fail again. */
typedef int (*compute_fn)(const char *content_type, const void *body, size_t len, struct buf *out,
                          struct err *e);

struct compute_kind {
	compute_fn fn;
	size_t inline_bytes;      /* bodies up to this are computed on the loop */
	const char *content_type; /* of the result */
};

int compute_open(struct handler *h, const struct compute_kind *k, const struct doc *config,
                 struct err *e);
void compute_start(struct handler *h, struct handler_run *run);
void compute_cancel(struct handler *h, struct handler_run *run);
void compute_close(struct handler *h);
