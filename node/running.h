/*
 * The runs of a node: kept alive at the broker by +WPI, timed out, and told
 * as started when they take longer than a moment.
 */
#pragma once

#include "node/run.h"

#define RUNNING_TICK_MS 50
#define RUNNING_KEEP_MS 2000
#define RUNNING_STARTED_MS 100

struct running;

struct running *running_open(struct node *n);
/* Drops every run that is left. */
void running_close(struct running **g);

/* From its delivery r is kept by +WPI. */
void running_add(struct running *g, struct run *r);
/* All that are not settled. fn must not end one. */
void running_each_kept(const struct running *g, void (*fn)(void *data, struct run *r), void *data);
/* Its handler did not end within start: its time is watched. */
void running_go_on(struct running *g, struct run *r);
/* Its handler is done; it is still kept. */
void running_done(struct running *g, struct run *r);
/* Calls fn with each whose handler is under way; fn may end it. */
void running_each_begun(struct running *g, void (*fn)(void *data, struct run *r), void *data);
/* It is settled. */
void running_remove(struct running *g, struct run *r);
