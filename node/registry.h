/*
 * How a node is known: its key in the bucket `nodes` (JSON, every two
 * seconds, at changes of state and when it becomes full, deleted at the end) and its record on
 * events.node (at the start, every ten seconds, at the end).
 */
#pragma once

#include "node/node.h"

#define REGISTRY_BEAT_MS 2000
#define REGISTRY_RECORD_MS 10000
/* The farewell may take so long; then the node ends without. */
#define REGISTRY_LEAVE_MS 3000

struct registry;

struct registry *registry_open(struct node *n);
void registry_close(struct registry **g);
/* Begins to beat: the broker is there and has what we need. */
void registry_start(struct registry *g);
/* The node's state changed: told at once. */
void registry_changed(struct registry *g);
/* A task took a slot: told at once where it was the last one and the latest beat told of a free one. */
void registry_began(struct registry *g);
/* Says STOPPED, deletes the key; on_left when both are acknowledged, or could not be. Once. */
void registry_leave(struct registry *g, void (*on_left)(struct node *n));
