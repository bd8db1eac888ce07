/*
 * Which processes descend from one. Meant for a subreaper
 * (PR_SET_CHILD_SUBREAPER), below which every orphan stays, whatever session
 * it made for itself. The answer is a snapshot: ask until it stays empty.
 */
#pragma once

#include <sys/types.h>

#include "common/base.h"

#define DESCENDANTS_MAX 65536 /* more are left out, until those found are gone */

struct pids {
	pid_t *pid;
	size_t len, cap;
};

/* Parents before their children. ret is emptied first; release it with pids_release. */
void descendants_of(pid_t root, struct pids *ret);
void children_of(pid_t parent, struct pids *ret);
void pids_release(struct pids *p);

/*
 * For the subreaper itself: kills and reaps everything below it until nothing is left or budget_ms passed (false).
 * Stopping all before killing any is what ends a fork bomb. on_reaped hears of each one reaped.
 */
bool descendants_end(int64_t budget_ms, void (*on_reaped)(void *data, pid_t pid, int status), void *data);
