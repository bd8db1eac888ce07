/*
 * What a full stream refused and has to be published again. While anything
 * is held, nothing more is taken in: a full EVENTS or DELAYED stops the
 * router, loses nothing, and is said once.
 */
#pragma once

#include "common/err.h"
#include "common/timeouts.h"

struct hold_item {
	void (*again)(struct hold_item *item); /* publishes it anew; may put it back */
	struct hold_item *prev, *next;
};

struct hold {
	const char *stream;
	struct hold_item *items;
	struct timeout timeout;
	int64_t wait_ms;
	int64_t since_mono_ms;
	bool active;
	void (*on_clear)(void *data); /* the stream takes again */
	void *data;
};

void hold_init(struct hold *h, const char *stream, struct timeouts *all,
			   void (*on_clear)(void *data), void *data);
/* Keeps it for later; why is said in the log the first time. */
void hold_put(struct hold *h, struct hold_item *item, const struct err *why);
/* The stream took something: what is held follows at once. Costs nothing when nothing is held. */
void hold_clear(struct hold *h);
void hold_forget(struct hold *h, struct hold_item *item);
bool hold_active(const struct hold *h);
