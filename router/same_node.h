/* Where a task ran or runs, as the store knows it. */
#pragma once

#include "router/transit.h"

struct same_node *same_node_new(struct router *r);
void same_node_free(struct same_node **s); /* after the bus closed */

enum same_node_answer {
	SAME_NODE_FOUND,   /* node has it */
	SAME_NODE_NOT_YET, /* it has no node by now */
	SAME_NODE_NEVER,   /* it ended without one */
	SAME_NODE_UNKNOWN, /* no such task, as far as the store knows */
	SAME_NODE_SILENT,  /* the store can't be asked */
};

/*
 * Takes the transit in hand until then(t, answer, node): at once where it can't even be asked. node
 * is borrowed for the call; NULL but for FOUND.
 */
void same_node_ask(struct transit *t, const char *task_id,
				   void (*then)(struct transit *t, enum same_node_answer answer, const char *node));
