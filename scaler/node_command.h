/* How a node of a pool is started and ended: command lines, their environment, and running them (driver exec). */
#pragma once

#include "scaler/scaler.h"

/* Driver process: the program and its words; NULL-terminated, owned (strings_free). */
char **node_command_argv(const struct scaler *s, const struct pool *p, const char *node);
/* What it gets over our environment: the pool's `env:` and MILLRACE_POOL, MILLRACE_NODE. */
char **node_command_env(const struct scaler *s, const struct pool *p, const char *node);

/*
 * Driver exec: runs the pool's start (or stop) command for a node, with that environment; {node} and {pool} in its words are
 * replaced. on_done once, later; e NULL: it ended well. At most COMMANDS_MAX run at once: over it ERR_FULL. One
 * that takes longer than a minute is ended.
 */
#define COMMANDS_MAX 64
typedef void (*node_command_on_done)(void *data, const char *node, bool starting, const struct err *e);
MUST_CHECK int node_command_run(struct scaler *s, const struct pool *p, const char *node, bool starting,
								node_command_on_done on_done, void *data, struct err *e);
/* Those that still run are left alone and forgotten; their uv handles are closed. */
void node_command_drop_all(void);
