/* Our records in the words of other systems: task_id, status, failed. Pure. */
#pragma once

#include <jansson.h>

#include "common/err.h"

/* A task of TaskPage as /tasks/… tells it. Returns owned. */
json_t *words_task(const json_t *task);
/* A task of TaskGet as /api/cluster/task/{id} tells it. Returns owned. */
json_t *words_cluster_task(const json_t *task);

/* An Agent with what other systems call its parts: state, process_id, heartbeat_interval … Returns owned. */
json_t *words_agent(const json_t *agent, int64_t now_wall_ns);
/* Why an agent is not well, "" where it is. */
const char *words_agent_trouble(const json_t *agent, int64_t now_wall_ns);
/* idle, busy, starting, backoff; waiting: no node has it yet. */
const char *words_agent_state(const json_t *agent);
/* A Node as a worker. Returns owned. */
json_t *words_worker(const json_t *node, int64_t now_wall_ns);
/* idle, busy, draining, stopped, lost. */
const char *words_worker_state(const json_t *node);

/* Seconds since the moment under key, as a number; null where there is none. Returns owned. */
json_t *words_since(const json_t *record, const char *key, int64_t now_wall_ns);
/* The value under key, null where there is none. Returns owned. */
json_t *words_copy(const json_t *record, const char *key);
const char *words_text(const json_t *record, const char *key); /* "" where there is none */
