/* A task as the store tells it, in the words that HTTP clients read. Pure. */
#pragma once

#include <jansson.h>

#include "common/buf.h"

/*
 * The task with, beside its own keys, those of POST /api/v1/tasks: task_id, status (failed for dead),
 * agent_executions, output, metrics. Returns owned.
 */
json_t *task_view(const json_t *task);
/* completed, dead or cancelled. */
bool task_view_ended(const json_t *task);
/* scheduled counts as queued, dead as failed. */
const char *task_view_status(const char *state);
/* The bytes of member `key` (or `key`_base64), appended. False: there are none. */
bool task_view_bytes(const json_t *task, const char *key, struct buf *out);
