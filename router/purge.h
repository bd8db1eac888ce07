/*
 * Emptying a lane: each task that waits on it ends as cancelled. Asked for by
 * the lane's setting (`purge`), so that every router takes part and one that
 * was killed is replaced by the others, or by itself when it is back; nodes
 * take nothing of the lane meanwhile.
 */
#pragma once

#include "router/lanes.h"

/* Takes part in the purge that l->set tells of; does nothing where it does already. */
void purge_begin(struct lane_entry *l);
/* One of its tasks was settled: recorded as cancelled, and acked. */
void purge_let_go(struct purge *p);
/* There is room again. */
void purge_poke_all(struct router *r);
/* Before the bus closes. NULL is fine. */
void purge_free(struct purge **p);
