/*
 * What one transaction writes: the events of some messages, merged, and those
 * that cannot be read, to be set aside. Messages are copied in; nothing is
 * kept of the bus. Pure but for memory.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/bus.h"
#include "store/merge.h"
#include "store/records.h"

struct batch_message {
	const char *subject;
	const char *reply; /* to ack it */
	const void *data;
	size_t len;
	const struct bus_header *headers;
	size_t nheaders;
	uint64_t seq; /* in EVENTS */
	int64_t stored_wall_ns;
};

struct batch {
	struct merge merge;
	ProtobufCMessage **records; /* owned; merge points into them */
	size_t nrecords, records_cap;
	const char **replies; /* in the arena */
	size_t nreplies, replies_cap;
	struct rejected *rejected; /* what they point to is in the arena */
	size_t nrejected, rejected_cap;
	size_t len_bytes; /* of all messages */
	size_t nevents;
	size_t nearly; /* of them, those that more of the same task follows: queued, started */
	int64_t since_mono_ms; /* when its first message came; kept by ingest */
};

/* Takes the message in. What cannot be read or makes no sense is in rejected afterwards, the rest
 * merged. */
void batch_add(struct batch *b, const struct batch_message *m);
/* Sets aside a row that PostgreSQL refuses: its events become rejected ones, as records that could
 * be published again. */
void batch_reject_task(struct batch *b, const struct merge_task *t, const char *error);
void batch_reject_attempt(struct batch *b, const struct merge_attempt *a, const char *error);
void batch_reject_node(struct batch *b, const struct merge_node *n, const char *error);
void batch_reject_note(struct batch *b, const struct merge_note *n, const char *error);
/* Rows that it writes, of any kind. */
size_t batch_rows(const struct batch *b);
void batch_reset(struct batch *b);
void batch_release(struct batch *b);
