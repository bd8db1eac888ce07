/*
 * Ends a login that the broker does not answer.
 *
 * libnats up to 3.7 has no deadline between its CONNECT and the broker's PONG: a broker that stops
 * in just that moment, or whose machine is gone, keeps the library in a busy loop with the connection
 * locked, and with it whoever publishes. All that helps from outside is to end the socket. So while
 * any connection of this process is not up, its sockets to a server's port that belong to no
 * connection that is up, and on which nothing came for BUS_GUARD_SILENCE_MS, are shut down; the
 * library then takes that for an answer, and tries again.
 */
#pragma once

#include <nats/nats.h>
#include <stdbool.h>

#define BUS_GUARD_SILENCE_MS 2250

/* A connection of the library as it is known here; its owner's memory, zeroed at first, until bus_guard_leave. */
struct bus_guarded {
	bool listed, up;
	natsConnection *nc; /* that came up last */
	int local_port;     /* while up */
	struct bus_guarded *prev, *next;
};

/* The port of a server that may be connected to, from "nats://host:port"; 4222 where it has none. */
void bus_guard_learn(const char *url);
/* Before the library is told to connect. From any thread, as all. */
void bus_guard_connecting(struct bus_guarded *g);
/* It has connected, first or again. Learns of the other servers of its cluster. */
void bus_guard_up(struct bus_guarded *g, natsConnection *nc);
/* It lost its connection, and connects anew. A former connection's late word changes nothing. */
void bus_guard_down(struct bus_guarded *g, const natsConnection *nc);
/* The library gave it up. */
void bus_guard_closed(struct bus_guarded *g, const natsConnection *nc);
/* No thread of the library is in it any more. */
void bus_guard_leave(struct bus_guarded *g);
