/*
 * Events on their way into EVENTS. While the broker is away, or the stream is
 * full, they wait here: that is how a broker's own restart gets into the
 * history.
 */
#pragma once

#include "common/buf.h"
#include "common/bus.h"

struct outbox;
/* subject: borrowed until outbox_free; kind: the label of what had to be dropped. */
struct outbox *outbox_new(struct bus *bus, const char *subject, const char *kind);
/* Over OUTBOX_MAX that wait the oldest is dropped, and that is logged. */
#define OUTBOX_MAX 1000u
/* A protobuf message. id: its Nats-Msg-Id; the stream has one memory of ids for all that is in it. Takes packed. */
void outbox_add(struct outbox *o, const char *id, struct buf *packed);
size_t outbox_waiting(const struct outbox *o);
void outbox_stop(struct outbox *o);  /* before bus_close; NULL is fine */
void outbox_free(struct outbox **o); /* after it; NULL is fine */
