/*
 * When a batch is written: at once, or a little later so that more meets in
 * it. Pure: times are monotonic ms that are handed in.
 *
 * A task's events that meet in one batch are one row write instead of two.
 * So a store that is busy lets a batch grow for a moment; and where all that
 * came is "queued" or "started", the outcome is often but a moment away. An
 * outcome itself waits only while the store is busy.
 */
#pragma once

#include "common/base.h"

#define PACE_BUSY_PER_S 8000 /* events a second, over PACE_OVER_MS: a burst is no rate */
#define PACE_OVER_MS 100
#define PACE_BUSY_MS 100       /* from one write's begin to the next while busy */
#define PACE_OUTCOME_NEAR_MS 5 /* what only says queued or started waits so long */

struct pace {
	bool busy;
	size_t events; /* since: */
	int64_t since_ms;
};

/* With every message. */
void pace_count(struct pace *p, size_t events, int64_t now_ms);

/*
 * When a batch may be written that got its first message at first_ms and holds nevents events, of
 * which nearly are queued or started, after the last write began at last_write_ms. 0: now.
 */
int64_t pace_due_ms(const struct pace *p, size_t nevents, size_t nearly, int64_t first_ms,
					int64_t last_write_ms);
