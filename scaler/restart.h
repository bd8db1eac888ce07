/*
 * When a pool may start a node again after some of its nodes died. Pure. A node
 * that dies soon after its start, or before it was ready, died young. When as
 * many died young in a row as the pool shall have, that is a round: each doubles the
 * wait (from 200 ms to 30 s), five are a crash loop, and nothing is started for
 * five minutes. A node that grew old ends the row.
 */
#pragma once

#include "common/base.h"

#define RESTART_YOUNG_MS 5000
#define RESTART_ROUNDS 5u
#define RESTART_SUSPEND_MS 300000

struct restart {
	unsigned young;     /* deaths in a row */
	unsigned rounds;
	int64_t not_before_ms;
	bool suspended;
};

/* ready: it had been heard of. nodes: that the pool shall have. True: that was one too many, and the pool is suspended now. */
bool restart_died(struct restart *r, int64_t lived_ms, bool ready, unsigned nodes, int64_t now_ms);
/* A node has lived for RESTART_YOUNG_MS. */
void restart_grown(struct restart *r);
/* Ends a suspension whose time is over; whether one may be started now. */
bool restart_allows(struct restart *r, int64_t now_ms);
