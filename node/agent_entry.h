/* What an entry of the bucket `agents` means to one node. Pure. */
#pragma once

#include "common/err.h"
#include "common/token.h"

#define AGENT_PROJECT_MAX 128
#define AGENT_HEARTBEAT_DEFAULT_MS 30000
#define AGENT_HEARTBEAT_MIN_MS 100
#define AGENT_HEARTBEAT_MAX_MS 3600000

struct agent_entry {
	char id[TASK_ID_MAX + 1]; /* the key */
	char role[TOKEN_MAX + 1];
	char project[AGENT_PROJECT_MAX + 1]; /* "": none */
	int64_t heartbeat_ms;
	bool here; /* it is placed on this node; else only id counts */
};

/*
 * The value is a record Agent as JSON; keys that are unknown are left alone. ERR_INVALID: it is
 * none, or what it says of an agent that is to be here can't be: a sentence that names the field.
 */
MUST_CHECK int agent_entry_read(const char *key, const void *value, size_t len, const char *node,
								struct agent_entry *ret, struct err *e);
