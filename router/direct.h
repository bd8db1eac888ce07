/*
 * DIRECT: the tasks of one chosen node. What waits on it for whom, the
 * durables that nodes pull them by, and what becomes of them when their node
 * is gone. place.h decides who gets what.
 *
 * A task lies on direct.<node>, or direct.<node>.high and .low; the durables
 * are <node>, <node>--high and <node>--low.
 */
#pragma once

#include <uthash.h>

#include "router/transit.h"

/*
 *   UNKNOWN --first task--> MAKING --created--> THERE
 *     ^                       |                   |
 *     +------- refused -------+                   |
 *     +------------ not in a listing -------------+
 */
enum durable_state { DURABLE_UNKNOWN, DURABLE_MAKING, DURABLE_THERE };

struct rescue;

/* What DIRECT holds for a node in one class. */
struct direct_queue {
	struct direct_node *node;
	enum task_class class;
	char subject[TOKEN_MAX + 16];
	char consumer[TOKEN_MAX + 8];
	enum durable_state state;
	uint64_t waiting, running; /* as last listed */
	uint64_t listed,
		made; /* the numbers of the listings that told of it, that followed its making */
	struct transit *tasks; /* that wait for the durable */
	struct rescue *rescue; /* its node is gone: taken off here; NULL: none */
	int64_t again_mono_ms; /* after a refusal: not made anew before then */
};

struct direct_node {
	struct direct *direct;
	char name[TOKEN_MAX + 1];
	struct direct_queue queues[CLASS_COUNT];
	unsigned sent,
		sent_before;      /* since the last listing was asked; between that and the one before */
	int64_t gone_mono_ms; /* since when it is not there; 0: it is */
	struct timeout wake;  /* at most one in WAKE_MS */
	UT_hash_handle hh;
};

struct direct *direct_new(struct router *r);
/* Looks at DIRECT, now and from now on. */
void direct_begin(struct direct *d);
/* Room came back. */
void direct_poke(struct direct *d);
/* Before the bus closes; then nothing is asked any more. */
void direct_stop(struct direct *d);
void direct_free(struct direct **d);

/* Never NULL; lives until direct_generation changes. */
struct direct_node *direct_node_of(struct direct *d, const char *name);
uint64_t direct_generation(const struct direct *d);
/* How many of ours it has not begun, as far as known. */
unsigned direct_ahead(const struct direct_node *n);
/* What lies on DIRECT for that node and is not begun; as last listed. */
uint64_t direct_waiting(const struct direct *d, const char *name);

/*
 * Takes the transit in hand: onto that node's queue, by its durable. Where the broker refuses,
 * place_refused has it again.
 */
void direct_put(struct transit *t, struct direct_node *n);
