/* What the files of `millrace submit` share. */
#pragma once

#include "cli/cli.h"

/* Added to a body by headers at most; the server's limit less this is the largest body. */
#define HEADER_ROOM_BYTES (64 * 1024)
size_t submit_body_limit(const struct cli *c);

/* ---- submit_wait.c: for the outcome of one task ---- */

struct waiter;
/* Subscribes to the task's result; call it before the task is published. type and id are borrowed.
 */
MUST_CHECK int waiter_open(struct cli *c, const char *type, const char *id, struct waiter **ret,
						   struct err *e);
/* Waits (timeout_ms negative: for ever), prints the outcome and returns the exit code. */
int waiter_finish(struct waiter *w, int64_t timeout_ms);
void waiter_close(struct waiter **w);

/* ---- submit_batch.c ---- */

/* Submits every line of the file ("-": stdin); returns the exit code. default_type may be NULL. */
int submit_batch(struct cli *c, const char *path, const char *default_type);
