/*
 * The node as the last parent. Orphans that a dead launcher left fall to the
 * node; they are killed and reaped. The node starts no other children than
 * launchers, so every child that is no launcher is such an orphan.
 */
#pragma once

#include <sys/types.h>
#include <uv.h>

/* Makes this process a subreaper; once is enough, more is fine. */
void child_reap_adopt(void);
void child_reap_know(pid_t launcher);
void child_reap_forget(pid_t launcher);
/* Kills and reaps the orphans now, and again every 50 ms until none is left (at most for 10 s). */
void child_reap_orphans(uv_loop_t *loop);
