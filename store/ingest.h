/*
 * From EVENTS/store into PostgreSQL: pulls, merges, writes, and acks what is
 * committed. One batch is written while the next one fills; both are bounded,
 * whatever the backlog.
 */
#pragma once

#include "common/bus.h"
#include "common/pg.h"

struct ingest;

struct ingest_config {
	int64_t batch_tasks; /* a batch is full with so many rows … */
	int64_t batch_bytes; /* … or so many bytes of messages */
};

/* The connection is ingest's own; nothing else runs on it. Starts with ingest_bus_up and
 * ingest_database_up. */
MUST_CHECK int ingest_open(struct bus *bus, struct pg *pg, const struct ingest_config *c,
						   struct ingest **ret, struct err *e);
/* Told by the owner of the connections. */
void ingest_bus_up(struct ingest *in);
void ingest_database_up(struct ingest *in);
void ingest_database_down(struct ingest *in);
/* Whether the database has been found to have the schema that this store needs. Others wait for it with us. */
bool ingest_ready(const struct ingest *in);
/*
 * Pulls no more and writes what has come; then on_drained, once, never before this returned. While
 * the database is away nothing is waited for: what is not acked will be delivered again.
 */
void ingest_drain(struct ingest *in, void (*on_drained)(void *data), void *data);
/* No callback runs after it. The pg must be closed first. NULL is fine. */
void ingest_close(struct ingest **in);
