/*
 * One tick of one schedule, from the look at its entry to the entry that notes
 * it; and the entry's record as text.
 */
#pragma once

#include "common/jetstream.h"
#include "router/router.h"
#include "router/schedule.h"

#define SCHEDULES_BUCKET "schedules"

enum tick_end {
	TICK_DONE, /* noted, or there was nothing to do; there may be more */
	TICK_GONE, /* there is no such schedule any more */
	TICK_LATER /* it could not be done now; why says what it waits for */
};

struct tick_events {
	/* The entry as it is now. */
	void (*on_read)(void *data, const struct kv_entry *entry);
	/* The entry's new revision and what it says. record is borrowed. */
	void (*on_noted)(void *data, uint64_t revision, const Millrace__Schedule *record);
	/* Last, exactly once; not where tick_drop came first. why: of TICK_LATER. The tick is freed. */
	void (*on_end)(void *data, enum tick_end end, const struct err *why);
	void *data;
};

/* name is copied. Nothing is called before it returned. */
struct tick;
MUST_CHECK int tick_start(struct router *r, struct zones *zones, const char *name,
						  const struct tick_events *events, struct tick **ret, struct err *e);
/* After the bus was closed: nobody comes back to it. NULL is fine. */
void tick_drop(struct tick **t);

/* An entry's value as a record (codec_free); name is set from the key. */
MUST_CHECK int schedule_record(const struct kv_entry *entry, Millrace__Schedule **ret,
							   struct err *e);
/* A record's text for the bucket: without what is for answers only. */
void schedule_text(const Millrace__Schedule *s, struct buf *out);
/*
 * Publishes a task of s to TASKS. id is the task's, msg_id its Nats-Msg-Id, tick_s the tick or 0.
 * on_puback as of js_publish.
 */
MUST_CHECK int schedule_submit(struct router *r, const Millrace__Schedule *s, const char *id,
							   const char *msg_id, int64_t tick_s, js_on_puback on_puback,
							   void *data, struct err *e);
