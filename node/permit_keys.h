/*
 * The keys (`Task-Project`) of one limited lane on this node: how many of each
 * run, how many wait for a place here, and when those that were sent back
 * should come again. Pure bookkeeping.
 */
#pragma once

#include <uthash.h>

#include "node/permit_book.h"

/* A longer key is known by its hash. */
#define PERMIT_KEY_MAX 64
/* Beyond so many keys that are only remembered for their turn, the oldest are forgotten. */
#define PERMIT_KEYS_MAX 4096

struct permit_key {
	char name[PERMIT_KEY_MAX + 1];
	unsigned busy;        /* run */
	unsigned waiting;     /* wait here for a place */
	unsigned held;        /* places that the book gives us */
	int64_t turn_wall_ns; /* those that were sent back come again until then */
	UT_hash_handle hh;
};

struct permit_keys {
	struct permit_key *all;
	int64_t mean_ns; /* what a task of the lane takes, lately */
};

/* Any bytes become a name that JSON can hold. */
void permit_key_name(const char *project, char out[PERMIT_KEY_MAX + 1]);
struct permit_key *permit_keys_get(struct permit_keys *ks, const char *name);
/* Forgets it where nothing of it is left. */
void permit_keys_drop(struct permit_keys *ks, struct permit_key *k, int64_t now_wall_ns);
void permit_keys_release(struct permit_keys *ks);
/* A task took so long. */
void permit_keys_took(struct permit_keys *ks, int64_t ns);
/*
 * How long one that is sent back should stay away. Each gets a later turn than the one before, by
 * what the places for its key can do in that time, twice as fast as thought: too soon costs another
 * round, too late leaves places idle.
 */
int64_t permit_key_turn_ns(struct permit_keys *ks, struct permit_key *k, unsigned places,
						   int64_t now_wall_ns);
