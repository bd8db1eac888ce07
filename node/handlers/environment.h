/*
 * A child's environment, made from nothing: PATH, LANG, HOME and TMPDIR,
 * MILLRACE_NODE, the task's facts, and what the configuration names. Nothing
 * else of the node's own comes through, above all no credentials.
 */
#pragma once

#include "node/handler.h"

/*
 * home: HOME and TMPDIR. task: NULL for a process that serves many; type is told in any case. file:
 * where its body lies (MILLRACE_FILE), or NULL. configured: "NAME=value" list that beats the others, or NULL. Returns an owned list (strings_free).
 */
char **environment_make(const char *home, const char *node, const char *type,
                        const struct handler_task *task, const char *file, char *const *configured);
