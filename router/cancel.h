/* Tasks that are called off, or are to run elsewhere, as the bucket `cancels` tells. */
#pragma once

#include "router/transit.h"

MUST_CHECK int cancel_watch(struct router *r, struct err *e);
/* Where it is marked: ends it here as cancelled and returns true; it is not the caller's any more. */
bool cancel_stop(struct transit *t);
/* Ends it as cancelled, with a reason and a sentence: events.done, then the ack. */
void cancel_end(struct transit *t, const char *reason, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Where it is to run elsewhere: says so in its headers. */
void cancel_move(struct transit *t);
/* Whether an execution of this epoch was to be moved: its end spends no attempt. */
bool cancel_moved(const struct router *r, const struct submission *s);
