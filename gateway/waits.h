/* Who waits for a task's end: told by the store's notices (`stored`), which all waiters of a gateway share. */
#pragma once

#include "common/bus.h"
#include "common/token.h"

#include <uthash.h>

struct wait;
struct waits {
	struct bus *bus;
	struct bus_sub *sub;
	struct wait *by_id; /* of each id the first; the others hang on it */
	size_t n;
	bool ended; /* nobody is waited for any more */
};

MUST_CHECK int waits_open(struct waits *w, struct bus *bus, struct err *e);
void waits_release(struct waits *w); /* no callback runs */
/* Every wait ends, as if its time were over; one that is started later, at once. */
void waits_end_all(struct waits *w);

enum wait_end { WAIT_LOOK, WAIT_OVER };
/*
 * WAIT_LOOK: the task may have ended: a notice said so, or none came for a while (one may be lost). It
 * goes on waiting unless wait_stop is called. WAIT_OVER: after timeout_ms, once; the wait is gone.
 */
typedef void (*wait_fn)(void *data, enum wait_end why);
struct wait *wait_start(struct waits *w, const char *id, int64_t timeout_ms, wait_fn fn,
						void *data);
/* NULL is fine. */
void wait_stop(struct wait **w);
