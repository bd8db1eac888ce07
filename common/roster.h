/*
 * Who is there: the nodes, as they say themselves in the bucket `nodes`. A
 * status is put every two seconds; silence of eight means lost, by our own
 * clock, since a key's expiry is told to nobody.
 */
#pragma once

#include <uthash.h>

#include "common/bus.h"
#include "common/token.h"
#include "proto/event.pb-c.h"

/* A node that was not heard of for this long is lost; its work moves by itself. */
#define NODE_LOST_MS 8000

struct node_entry {
	char name[TOKEN_MAX + 1];
	Millrace__NodeStatus *status; /* owned */
	int64_t seen_mono_ms;
	int64_t excused_mono_ms; /* until then its silence proved nothing */
	UT_hash_handle hh;
};

struct roster;
struct roster_events {
	void (*on_told)(void *data); /* the bucket was told whole; again after each reconnect */
	/* Said something; left: it deregistered or was silent for two minutes, and is gone when this returns. Or NULL. */
	void (*on_node)(void *data, const struct node_entry *n, bool left);
	void *data;
};
/* all and ev are copied or borrowed until roster_free. */
struct roster *roster_new(struct timeouts *all, const struct roster_events *ev);
MUST_CHECK int roster_watch(struct roster *r, struct bus *bus, struct err *e);
bool roster_known(const struct roster *r); /* the bucket was told whole */
/* Ends the watch; before the bus closes. */
void roster_stop(struct roster *r);
void roster_free(struct roster **r);

/* NULL: unknown. Then ->hh.next. Borrowed for the call. Those that were lost for two minutes are forgotten. */
const struct node_entry *roster_find(const struct roster *r, const char *name);
const struct node_entry *roster_first(const struct roster *r);
/* Grows when a node comes, goes, or changes what it is ready for. */
uint64_t roster_generation(const struct roster *r);
/* The broker is silent: whoever is not lost yet is not until NODE_LOST_MS after now. */
void roster_excuse(struct roster *r, int64_t now_mono_ms);

/* "ready", "draining", "stopped", "lost" */
const char *node_state(const struct node_entry *n, int64_t now_mono_ms);
/* Whether it has a handler of that type itself (a bridge need not). */
bool node_has_type(const struct node_entry *n, const char *type);
