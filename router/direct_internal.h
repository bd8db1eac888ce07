/* What direct.c (the queues) and direct_look.c (what became of them) share. Nobody else includes
 * it. */
#pragma once

#include <jansson.h>

#include "router/direct.h"

struct direct {
	struct router *router;
	struct direct_node *nodes;
	json_t *template;
	uint64_t generation;
	uint64_t listing; /* its number; grows with each that is asked */
	bool listing_open, sweeping, stopped;
	int64_t heard_mono_ms;
	unsigned ticks;
	bool sent; /* something since the last listing */
	struct timeout tick;
};

/* "" for the normal class, whose queue has the node's bare name. */
const char *direct_suffix(enum task_class c);
/* Tells the node, at most once in a while. */
void direct_wake(struct direct_node *n);
/* Creates the durable; what waits for it goes on, or back to place.c. */
void direct_make(struct direct_queue *q);
/* Deletes it: nothing is on it. */
void direct_unmake(struct direct_queue *q);
/* n is freed; nothing of it is under way. */
void direct_forget(struct direct *d, struct direct_node *n);

/* direct_look.c: every so often, from now on. */
void direct_look_begin(struct direct *d);
