/* A `millrace dev` that this process starts (dev --detach, bench): awaited and ended. */
#pragma once

#include "cli/cli.h"
#include "cli/dev_notify.h"

/*
 * Until pid says READY=1 on n: 0. ERR_FAILED: it ended before (and is reaped), and the end of its
 * log was said. ERR_CLOSED: Ctrl-C; it goes on starting. Signals must have been caught before it
 * was started (cli_catch_signals).
 */
MUST_CHECK int dev_child_await(struct cli *c, struct notify *n, pid_t pid, const char *log_path,
							   struct err *e);

/* Asks it to end in order and waits until it has; after another Ctrl-C our process ends at once. */
void dev_child_end(struct cli *c, pid_t pid);
