/*
 * For js_publish.c, which repeats the same message until it is acknowledged: a
 * message made once. And a place on the bus for the tables of js_*.c.
 */
#pragma once

#include "common/jetstream.h"

struct bus_packet;
MUST_CHECK int bus_packet_make(const struct bus *bus, const struct bus_out *out, const char *reply,
                               struct bus_packet **ret, struct err *e);
/* false while the broker is away. */
bool bus_packet_send(struct bus *bus, struct bus_packet *p);
/* From now on as in struct bus_out. */
void bus_packet_want_nobody(struct bus_packet *p);
void bus_packet_unref(struct bus_packet *p);

/* What js_*.c keep for the life of the bus. end is called by bus_close and may still publish. */
enum bus_place { BUS_PUBLISHES, BUS_ACKS, BUS_PLACES };
void *bus_place(const struct bus *bus, enum bus_place place);
void bus_put(struct bus *bus, enum bus_place place, void *p, void (*end)(void *));

/*
 * bus_request and js_publish for those here whose data is an allocation of their own: where the bus
 * closes first, no callback runs, but drop(data) does.
 */
MUST_CHECK int bus_request_owned(struct bus *bus, const struct bus_out *out, int64_t timeout_ms,
                                 bus_on_reply on_reply, void *data, void (*drop)(void *data), struct err *e);
MUST_CHECK int js_publish_owned(struct bus *bus, const struct bus_out *out, int64_t deadline_ms,
                                js_on_puback on_puback, void *data, void (*drop)(void *data), struct err *e);
/* Ends all requests without their callbacks; by bus_close. */
void bus_calls_drop(struct bus *bus);
