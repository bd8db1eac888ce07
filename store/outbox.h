/*
 * millrace.outbox becomes tasks: claims rows, publishes each to tasks.<type>,
 * deletes it once the broker has it. Any number of stores may do it at once.
 */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "store/ingest.h"

struct outbox;
struct outbox_config {
	int64_t batch_rows;
	int64_t batch_bytes;         /* of bodies; a row alone may be larger */
	int64_t poll_ms;             /* when nobody notifies */
	const struct ingest *ingest; /* borrowed: knows whether the schema is there */
};
/* pg is its own connection: it listens there, if it is a direct one. */
MUST_CHECK int outbox_open(struct bus *bus, struct pg *pg, const struct outbox_config *c,
						   struct outbox **ret, struct err *e);
/* The owner's connection came up (again). */
void outbox_database_up(struct outbox *o);
/* Claims no more; on_drained runs when the broker has answered for all that was published, and they
 * are deleted, or at once where database or broker are away. */
void outbox_drain(struct outbox *o, void (*on_drained)(void *data), void *data);
void outbox_close(struct outbox **o); /* after its pg is closed. NULL is fine. */
