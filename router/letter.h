/*
 * A dead letter as its message in DEAD tells it. Pure: headers in, facts out;
 * what is asked for, and what of it goes on when it is replayed.
 */
#pragma once

#include "proto/dead.pb-c.h"
#include "router/fingerprint.h"
#include "router/headers.h"

/* Texts are the message's, never NULL. */
struct letter {
	char id[TASK_ID_MAX + 1]; /* "" where it is none that can be asked for */
	char type[TOKEN_MAX + 1]; /* "" where it has none */
	char fingerprint[FINGERPRINT_MAX + 1];
	const char *reason, *error, *node, *lane, *version, *content_type, *retry_of, *left_out;
	unsigned attempts;
	int64_t submitted_wall_ns, started_wall_ns, died_wall_ns;
	uint64_t seq;
	size_t body_len;
};

/* What a message of DEAD has; a headers-only delivery tells the body's size by Nats-Msg-Size. */
struct letter_message {
	const char *subject;
	const struct bus_header *headers;
	size_t nheaders;
	uint64_t seq;
	int64_t stored_wall_ns;
	size_t body_len;
};

/* Cannot fail: what a stranger put into DEAD is a letter that says little. */
void letter_read(const struct letter_message *m, struct letter *ret);

/* As a record; texts are copied into kept and mended to UTF-8. Body and headers are not in it. */
void letter_record(const struct letter *l, struct keep **kept, Millrace__DeadLetter *ret);
/* The publisher's headers, for the same record. */
void letter_record_headers(const struct letter_message *m, struct keep **kept,
						   Millrace__DeadLetter *ret);

/* Why it can't be replayed; NULL: it can. */
const char *letter_refusal(const struct letter *l);
/*
 * Fills list with the headers of its replay: the publisher's, but for those that spoke of its
 * first time (Task-Delay, Task-At, Task-Expires, Task-Reply-To) and the router's own; and
 * Task-Id, Nats-Msg-Id (both retry_id) and Task-Retry-Of. Points into m, l and retry_id.
 */
void letter_replay_headers(const struct letter_message *m, const struct letter *l,
						   const char *retry_id, struct header_list *list);

/* ---- which ---- */

struct letter_select {
	char id[TASK_ID_MAX + 1];
	uint64_t seq;
	char type[TOKEN_MAX + 1]; /* "_invalid" for those without */
	char fingerprint[FINGERPRINT_MAX + 1];
	bool all;
	unsigned limit;    /* 0: not given */
	uint64_t from_seq; /* of the cursor; 0: from the first */
	uint64_t upto_seq; /* of the cursor of a replay or discard: what died later is not meant */
	int64_t after_wall_ns;
	char by[65];
};

/*
 * Of plain text ("<id>", "id:…", "seq:…", "type:…", "fingerprint:…", "all"), JSON or protobuf
 * (content_type as of the message, or NULL). An empty text selects nothing in particular.
 * ERR_INVALID names the field at fault.
 */
MUST_CHECK int letter_select_read(const char *content_type, const void *data, size_t len,
								  struct letter_select *ret, struct err *e);
/* It asks for one letter, by id or sequence. */
bool letter_select_one(const struct letter_select *s);
bool letter_selected(const struct letter_select *s, const struct letter *l);
