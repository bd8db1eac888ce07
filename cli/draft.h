/*
 * A task that is about to be submitted: its facts as headers, checked before
 * anything is sent. Pure. What is refused here would be a dead letter later.
 */
#pragma once

#include "common/bus.h"
#include "common/token.h"

#define DRAFT_HEADERS_MAX 64

struct draft {
	char type[TOKEN_MAX + 1];
	char id[TASK_ID_MAX + 1];
	struct bus_header headers[DRAFT_HEADERS_MAX]; /* names and values are owned */
	size_t nheaders;
};

void draft_release(struct draft *d);

/* One of our headers, already checked. ERR_FULL over the limit. */
MUST_CHECK int draft_add(struct draft *d, const char *name, const char *value, struct err *e);
/* "name: value" as a publisher wrote it; ERR_INVALID says what is wrong with it. */
MUST_CHECK int draft_add_line(struct draft *d, const char *line, struct err *e);

MUST_CHECK int draft_type(struct draft *d, const char *type, struct err *e);
/* Also the Nats-Msg-Id, so that sending it twice makes one task. */
MUST_CHECK int draft_id(struct draft *d, const char *id, struct err *e);
MUST_CHECK int draft_priority(struct draft *d, const char *text, struct err *e);
/* After draft_type: type and capabilities must make a lane. */
MUST_CHECK int draft_requires(struct draft *d, const char *text, struct err *e);
/* name is H_TASK_TIMEOUT or H_TASK_DELAY. */
MUST_CHECK int draft_duration(struct draft *d, const char *name, const char *text, struct err *e);
/* KEY, or KEY:TTL where what follows the last colon is a duration. */
MUST_CHECK int draft_unique(struct draft *d, const char *text, struct err *e);
/* A duration, or "never". */
MUST_CHECK int draft_result_expires(struct draft *d, const char *text, struct err *e);
/* BASE[,FACTOR[,MAX]], as the router reads it (common/backoff.h). */
MUST_CHECK int draft_backoff(struct draft *d, const char *text, struct err *e);
MUST_CHECK int draft_at(struct draft *d, const char *text, struct err *e);
/* A moment or a duration. */
MUST_CHECK int draft_expires(struct draft *d, const char *text, struct err *e);

/*
 * One line of a batch: a TaskSpec as JSON, with the keys that the router knows. Checks what can be
 * checked here and finds its id. The line travels as it is, unless a type must be put into it: then
 * *ret_text is the new one (owned).
 */
struct batch_line {
	char id[TASK_ID_MAX + 1]; /* "": it has none */
	char *text;               /* NULL: the line as it was */
};
/* default_type: for lines without one; NULL: such a line is left to the router's default. */
MUST_CHECK int batch_line_read(const char *line, size_t len, const char *default_type,
							   struct batch_line *ret, struct err *e);
