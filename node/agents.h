/*
 * The agents that are placed on this node: entries of the bucket `agents` that
 * name it, each one a process of the handler of its role (handler_hosting).
 */
#pragma once

#include "node/node.h"

/* Entries that this node remembers: its own, and what can't be read; what is beyond is ignored. */
#define AGENTS_KNOWN_MAX 1000

struct agents;

/* Whether it can host any: a handler is for that, and agents.max is not 0. */
bool agents_wanted(const struct node *n);
/* Watches the bucket, which must exist. */
MUST_CHECK int agents_open(struct node *n, struct agents **ret, struct err *e);
/* Those that are here stay; handlers_close ends them. NULL is fine. */
void agents_close(struct agents **a);
/* For handler_context; data is the node. */
void agents_on_hosted(void *data);
