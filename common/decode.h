/*
 * From a message to a submission. Pure: the message's facts in, a submission
 * or a sentence out.
 */
#pragma once

#include "common/submission.h"

struct decode_rules {
	const char *default_type; /* for a bare spec without one; NULL: none */
	size_t body_max_bytes;
	int64_t stream_created_s; /* when TASKS was created, unix seconds: part of the ids that the
								 router makes */
};

/* What a message tells. Borrowed: the submission points into it. */
struct arrival {
	const char *subject;
	const struct bus_header *headers;
	size_t nheaders;
	bool headers_unreadable; /* there are some; nheaders is 0 */
	const void *body;
	size_t body_len;
	uint64_t sequence; /* in TASKS; 0: none */
	int64_t stored_wall_ns;
};

/*
 * A message of TASKS (`tasks`, `tasks.<type>`), or a request on `run.<type>`, whose id stays ""
 * where it gives none. On ERR_INVALID *ret is filled as far as it was understood: the id always
 * (from the sequence), the lane's type where the subject had a valid one, so that it can be
 * dead-lettered. Release it in either case.
 */
MUST_CHECK int decode_submission(const struct decode_rules *rules, const struct arrival *a,
								 struct submission *ret, struct err *e);

/*
 * A message that the router or a node published: of DELAYED, or events.act. The type comes from
 * Task-Type and Task-Requires, else from Outcome-Lane. As above on ERR_INVALID, except that the id
 * may be "".
 */
MUST_CHECK int decode_returned(const struct arrival *a, struct submission *ret, struct err *e);

/* The first value of that name in any case, or NULL. */
const char *arrival_header(const struct arrival *a, const char *name);
