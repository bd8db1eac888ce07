/* Messages to events.*, from this node. */
#pragma once

#include "common/jetstream.h"
#include "node/node.h"

#define EVENT_ID_MAX (TOKEN_MAX + 40)

/* An id that no other event of this or another instance has: "<instance>-<counter>". */
void event_id(struct node *n, char out[EVENT_ID_MAX]);
/*
 * Publishes protobuf bytes, repeated for at most deadline_ms (0: for ever) under the same id. A
 * refusal ends at on_puback, or in a debug line where that is NULL: for what is only informative.
 */
MUST_CHECK int event_publish(struct node *n, const char *subject, const char id[EVENT_ID_MAX],
							 const void *data, size_t len, int64_t deadline_ms,
							 js_on_puback on_puback, void *arg, struct err *e);
