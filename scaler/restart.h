/*
 * When a pool may start a node again after some of its nodes died. Pure. A node
 * that dies soon after its start, or before it was ready, died young: each in a
 * row doubles the wait (200 ms to 30 s); five are a crash loop, and nothing is
 * started for five minutes. A node that grew old ends the row.
 */
#pragma once

#include "common/base.h"

#define RESTART_YOUNG_MS 5000
#define RESTART_LOOP 5u
#define RESTART_SUSPEND_MS 300000

struct restart {
	unsigned young;     /* deaths in a row */
	int64_t not_before_ms;
	bool suspended;
};

/* ready: it had been heard of. True: that was one too many, and the pool is suspended now. */
bool restart_died(struct restart *r, int64_t lived_ms, bool ready, int64_t now_ms);
/* A node has lived for RESTART_YOUNG_MS. */
void restart_grown(struct restart *r);
/* Ends a suspension whose time is over; whether one may be started now. */
bool restart_allows(struct restart *r, int64_t now_ms);
