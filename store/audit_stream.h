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

/*
 * The answer to CONSUMER.INFO: whether everything up to seq has been delivered and acknowledged.
 * *ret_waiting (or NULL): what has not.
 */
bool audit_consumer_passed(const json_t *info, uint64_t seq, uint64_t *ret_waiting);

/* The answer to STREAM.MSG.GET: whether that message is the task's. */
bool audit_message_is(const json_t *reply, const char *task_id);
