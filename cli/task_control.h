/* `task cancel`, `task reassign`, `task retry`; task.c lists them. */
#pragma once

#include "cli/cli.h"

extern const struct cli_flag task_cancel_flags[], task_reassign_flags[], task_retry_flags[];
int run_task_cancel(struct cli *c, int argc, char **argv);
int run_task_reassign(struct cli *c, int argc, char **argv);
int run_task_retry(struct cli *c, int argc, char **argv);
