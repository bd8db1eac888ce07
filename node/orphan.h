/*
 * A node that a scaler started ends by itself when there is no scaler any
 * more: when the lease of its leader (bucket `leases`, key `leader.scaler`,
 * renewed every two seconds) has not moved for `orphan_after`.
 */
#pragma once

#include "node/node.h"

#define ORPHAN_LOOK_MS 2000
/* What one look can add at most: we were stopped ourselves, and that proves nothing. */
#define ORPHAN_STEP_MAX_MS 5000

/* What was seen of the lease. Begins as zeros. */
struct lease_watch {
	uint64_t revision;
	int64_t seen_ms;   /* the last look that told; 0: none, or none since it failed */
	int64_t silent_ms; /* for so long, broker there, the revision was the same */
};
/*
 * A look told the key's last revision (0: there is none). Pure. Returns for how long nothing moved,
 * not counting what lies before a look that failed.
 */
int64_t lease_seen(struct lease_watch *w, uint64_t revision, int64_t now_ms);
/* A look failed: the time from the last one to the next proves nothing. */
void lease_unseen(struct lease_watch *w);

struct orphan;
struct orphan *orphan_open(struct node *n);
/* In the turn in which the bus closes, for an answer may be on its way. NULL is fine. */
void orphan_close(struct orphan **o);
