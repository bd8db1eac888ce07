/*
 * Asks the consumers of the served lanes for tasks, by the plan of
 * pull_plan.h, and begins what comes. Lanes are told to it by lanes.c.
 */
#pragma once

#include "common/metrics.h"
#include "node/node.h"
#include "node/pull_plan.h"

#define PULLER_LANES_MAX 1024
#define PULL_EXPIRES_MS 3000
#define PULL_SWEEP_MS 1000
/* Consumers that a sweep asks at most; the next one goes on from there. */
#define PULL_SWEEP_MAX 256
#define PULL_GONE_RETRY_MS 5000
#define PULL_BACKOFF_MAX_MS 5000

struct puller;
struct permits;
struct lane_setting;

/* A lane that is or was served; lives until its last run ended. */
struct served_lane {
	struct lane lane;
	struct handler *handler;
	unsigned group;
	unsigned lane_group;     /* of the limits that all nodes share; 0: never had any */
	struct permits *permits; /* NULL: never had any */
	struct metric *ok, *failed, *returned, *cancelled, *seconds, *wait_seconds, *completion_seconds;
	/* the puller's own: */
	struct puller *puller;
	struct puller_consumer *consumers;
	struct bus_sub *wake;
	size_t index;
	unsigned refs; /* runs, and the puller itself */
	bool paused, removed;
	bool direct; /* no lane, but this node's own queue */
	struct served_lane *stray_prev, *stray_next;
	int64_t gone_until_ms;
};

struct puller *puller_open(struct node *n);
/* Closes every request at once; lanes with runs live on. NULL is fine. */
void puller_close(struct puller **p);

/* Starts or goes on pulling from l. What was gone is tried anew. */
void puller_serve(struct puller *p, const struct lane *l, struct handler *h);
/* No more is asked; what still comes of earlier requests is run. */
void puller_drop(struct puller *p, const char *lane);
void puller_pause(struct puller *p, const char *lane, bool paused);
/* h, which has hosting, has other slots than before. */
void puller_room(struct puller *p, const struct handler *h);
/* Limits that all nodes share; NULL: none. */
void puller_limit(struct puller *p, const char *lane, const struct lane_setting *set);

/* Something changed (a slot is free): plans once at the end of this turn of the loop. */
void puller_wanted(struct puller *p);

/* A limited lane has n tasks waiting in that class. */
void puller_found(struct puller *p, const char *lane, enum task_class class, uint64_t n);
/* For direct.c: the node's own queue; a lane that only came by it, kept until the puller closes. */
MUST_CHECK int puller_add_direct(struct puller *p, struct err *e);
/* The oldest of them; its runs go on. */
void puller_drop_stray(struct puller *p);
struct served_lane *puller_add_stray(struct puller *p, const struct lane *lane, struct handler *h);

void served_lane_ref(struct served_lane *l);
/* A run ended: counts it off l's type. */
void served_lane_run_ended(struct served_lane *l);
void served_lane_unref(struct served_lane *l);
