/* What the files of `millrace submit` share. */
#pragma once

#include "cli/cli.h"
#include "cli/draft.h"

/* Added to a body by headers at most; the server's limit less this is the largest body. */
#define HEADER_ROOM_BYTES (64 * 1024)
size_t submit_body_limit(const struct cli *c);
/* A body that fits a message, by --data, --file or a last "-"; argv[0] is the type. */
MUST_CHECK int submit_body(struct cli *c, int argc, char **argv, struct buf *out,
						   struct err *e);
/* The flags that are a header each, into d, which has its type. */
MUST_CHECK int submit_headers(const struct cli *c, struct draft *d, struct err *e);

/* ---- submit_wait.c: for the outcome of one task ---- */

struct waiter;
/* Subscribes to the task's result; call it before the task is published. type and id are borrowed. */
MUST_CHECK int waiter_open(struct cli *c, const char *type, const char *id, struct waiter **ret,
						   struct err *e);
/* Waits (timeout_ms negative: for ever), prints the outcome and returns the exit code. */
int waiter_finish(struct waiter *w, int64_t timeout_ms);
void waiter_close(struct waiter **w);

/* ---- submit_batch.c ---- */

/* Submits every line of the file ("-": stdin); returns the exit code. default_type may be NULL. */
int submit_batch(struct cli *c, const char *path, const char *default_type);
