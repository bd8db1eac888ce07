/*
 * Walking through DEAD, headers only, in the order in which tasks died. What
 * lies there may be months of letters: nothing is kept here but the page that
 * the broker sends.
 */
#pragma once

#include "router/letter.h"
#include "router/router.h"

struct dead_scan;

struct dead_scan_events {
	/* l and m are borrowed for the call. False: that was enough; on_end follows. */
	bool (*on_letter)(void *data, const struct letter *l, const struct letter_message *m);
	/*
	 * Once, as the last thing; *scan is gone by then. next_seq: where to go on, 0: there is no
	 * more. e: it broke off (ERR_UNREACHABLE).
	 */
	void (*on_end)(void *data, uint64_t next_seq, const struct err *e);
	void *data;
};

/*
 * Tells what s selects, from sequence s->from_seq on (s->id and s->seq count as filters), for at
 * most budget_ms. Nothing is told before it returns. *ret becomes NULL with on_end.
 */
MUST_CHECK int dead_scan_start(struct router *r, const struct letter_select *s, int64_t budget_ms,
							   const struct dead_scan_events *ev, struct dead_scan **ret,
							   struct err *e);
/* Ends it without on_end; only where the bus is closed next. NULL is fine. */
void dead_scan_stop(struct dead_scan **scan);
