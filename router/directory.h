/* Who is there: the nodes, as they say themselves in the bucket `nodes`. */
#pragma once

#include <uthash.h>

#include "proto/event.pb-c.h"
#include "router/router.h"

/* A node that was not heard of for this long is lost; its work moves by itself. */
#define NODE_LOST_MS 8000

struct node_entry {
	char name[TOKEN_MAX + 1];
	Millrace__NodeStatus *status; /* owned */
	int64_t seen_mono_ms;
	int64_t excused_mono_ms; /* until then its silence proved nothing */
	UT_hash_handle hh;
};

struct directory *directory_new(struct router *r);
MUST_CHECK int directory_watch(struct directory *d, struct err *e);
bool directory_known(const struct directory *d); /* the bucket was told whole */
/* Ends the watch; before the bus closes. */
void directory_stop(struct directory *d);
void directory_free(struct directory **d);

/* NULL: unknown. Then ->hh.next. Borrowed for the call. */
const struct node_entry *directory_find(const struct directory *d, const char *name);
const struct node_entry *directory_first(const struct directory *d);

/* "ready", "draining", "stopped", "lost" */
const char *node_state(const struct node_entry *n, int64_t now_mono_ms);
/* How many live nodes serve the lane: bridges only where no node does by itself. */
unsigned directory_serving_beside(const struct directory *d, const struct lane *lane,
								  const char *list); /* but those in a comma-separated list */
unsigned directory_serving(const struct directory *d, const struct lane *lane);
/* Those nodes one after the other, in no order; returns how many. */
unsigned directory_each_serving(const struct directory *d, const struct lane *lane,
								void (*each)(void *data, const struct node_entry *n), void *data);
/* Grows when a node comes, goes, or changes what it is ready for. */
uint64_t directory_generation(const struct directory *d);
/* The broker is silent: whoever is not lost yet is not until NODE_LOST_MS after now. */
void directory_excuse(struct directory *d, int64_t now_mono_ms);
