/*
 * One bucket of DELAYED that is due: its shared consumer, and the tasks
 * held until their second.
 */
#pragma once

#include <uthash.h>

#include "router/delay.h"
#include "router/feed.h"

#define BUCKET_ACK_WAIT_MS 12000

/*
 *   CREATING ─▶ OPEN ─past and empty, or lost─▶ LOOKING ─nobody has any of it─▶ DELETING ─▶ (freed)
 *      │          ▲                              │   │                            │
 *   refused       └───────── there is more ──────┼───┼────── one came meanwhile ──┘
 *      ▼                                         │   └─ no such consumer ─▶ (freed)
 *   (freed)                                    again
 */
enum bucket_state { BUCKET_CREATING, BUCKET_OPEN, BUCKET_LOOKING, BUCKET_DELETING };

struct bucket {
	struct delay *delay;
	struct router *router;
	int64_t number;    /* due from number * BUCKET_S on */
	char consumer[24]; /* "b<number>" */
	enum bucket_state state;
	struct feed *feed;
	struct timeout timeout;
	unsigned held; /* tasks, each from its delivery until it is settled */
	size_t held_bytes;
	UT_hash_handle hh;
};

/* Creates the consumer and pulls; it ends by itself, with delay_bucket_ended. */
struct bucket *bucket_open(struct delay *d, struct router *r, int64_t number);
/* One of its tasks was settled. */
void bucket_let_go(struct bucket *b, size_t bytes);
void bucket_free(struct bucket *b);
