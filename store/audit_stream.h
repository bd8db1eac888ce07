/*
 * What the broker's answers say about where a task's message is. Pure: JSON
 * in, numbers and verdicts out.
 */
#pragma once

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

/* Of a stream at the moment of its answer. */
struct audit_stream {
	bool gone; /* there is no such stream: nothing is in it */
	uint64_t messages, first_seq, last_seq;
	uint64_t holes;        /* sequences between first and last whose message is gone */
	const json_t *deleted; /* they, where they were asked for; borrowed, or NULL */
};
/* The answer to STREAM.INFO. ERR_PROTOCOL where it is none. */
MUST_CHECK int audit_stream_read(const json_t *info, struct audit_stream *ret, struct err *e);

enum audit_place { AUDIT_THERE_PERHAPS, AUDIT_ABSENT };
/*
 * Whether a message that was in the stream when seq was recorded can still be there. ABSENT is
 * final: a sequence is given once. deleted is not looked at: who asked for it has it in the query.
 */
enum audit_place audit_stream_has(const struct audit_stream *s, uint64_t seq);

/* Of a consumer that acknowledges each message; sequences are the stream's. */
struct audit_consumer {
	uint64_t delivered_seq, floor_seq; /* up to it all is delivered; acknowledged */
	uint64_t pending, unacked; /* pending: of what it has heard, maybe not yet all there is */
	const char *filter;        /* "": all; borrowed */
};
/* The answer to CONSUMER.INFO. ERR_PROTOCOL where it is none. */
MUST_CHECK int audit_consumer_read(const json_t *info, struct audit_consumer *ret, struct err *e);

/* SAYS_SO: nothing waits, it says, and it has not reached seq; true if the stream has nothing for
 * it from delivered_seq + 1 to seq. */
enum audit_passed { AUDIT_NOT_YET, AUDIT_PASSED, AUDIT_SAYS_SO };
/* Whether everything up to seq has been delivered and acknowledged. */
enum audit_passed audit_consumer_passed(const struct audit_consumer *c, uint64_t seq);

/* The answer to STREAM.MSG.GET: whether that message is the task's. */
bool audit_message_is(const json_t *reply, const char *task_id);
/* Its sequence; 0 where it can't be read. */
uint64_t audit_message_seq(const json_t *reply);
