/* A task as api.task.get tells it, for the commands that look at one. */
#pragma once

#include "cli/cli.h"

/* Returns owned. ERR_NOT_FOUND: the store has no such task (yet). */
MUST_CHECK int task_fetch(struct cli *c, const char *id, json_t **ret, struct err *e);
/* Whether its state is one that stays. */
bool task_terminal(const json_t *task);
bool state_terminal(const char *state);
/* A text of it; "" where absent. */
const char *task_text(const json_t *task, const char *key);
/* Appends the bytes of its result, whichever way JSON carries them. */
void task_result(const json_t *task, struct buf *out);

/* --type, --node, --project and --lane, where given, are names that can exist. */
MUST_CHECK int task_filters_check(const struct cli *c, struct err *e);
/* All of --state as an array of names (returns owned; empty where none was given). */
MUST_CHECK int task_states(const struct cli *c, json_t **ret, struct err *e);

/* `task watch`; task_watch.c. */
int run_task_watch(struct cli *c, int argc, char **argv);
