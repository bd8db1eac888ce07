/*
 * One node: what its parts share, and its life. The parts know each other
 * through here; each owns what its own file says.
 *
 *	READY ──drain──▶ DRAINING ──undrain──▶ READY
 *	  │ SIGTERM, stop    │ SIGTERM, stop
 *	  └────────▶ STOPPING ◀┘ ── nothing runs, waits or comes ──▶ deregistered, closed
 *
 * Draining and stopping: nothing is asked for any more, what still comes is
 * handed back at once, what runs ends and its outcome is acknowledged.
 */
#pragma once

#include "common/bus.h"
#include "common/daemon.h"
#include "node/config.h"
#include "node/handler.h"
#include "node/slots.h"

struct puller;
struct lanes;
struct running;
struct reporter;
struct registry;
struct service;
struct needs;
struct cancel;
struct spool;
struct agents;
struct orphan;

/* After the drain's deadline handlers may take so long to end what they hold. */
#define NODE_PATIENCE_MS 2000

enum node_life { NODE_READY, NODE_DRAINING, NODE_STOPPING };

struct node_counts {
	uint64_t completed, failed;
	int64_t busy_ns; /* handler time, summed */
};

struct node {
	const struct node_config *config;
	struct daemon *daemon;
	struct bus *bus;
	struct handler_context handler_context;
	struct handlers *handlers;
	struct slots slots;
	struct puller *puller;
	struct lanes *lanes;
	struct running *running;
	struct reporter *reporter;
	struct registry *registry;
	struct service *control;
	struct needs *needs;
	struct cancel *cancel;
	struct spool *spool;
	struct agents *agents; /* NULL: it hosts none */
	struct orphan *orphan; /* NULL: it ends when it is told to */
	struct node_counts counts;
	char instance[TOKEN_MAX + 12]; /* differs at each start */
	uint64_t scaler_epoch;         /* the highest of late that a scaler's order told; 0: none */
	int64_t scaler_epoch_ms;
	uint64_t events;               /* messages published to events.*, for their ids */
	int64_t started_wall_ns;
	enum node_life life;
	bool direct;         /* its own queue on DIRECT is asked */
	bool leaving;        /* the last steps of stopping are under way */
	uv_timer_t patience; /* with handlers that are slow to end */
	bool handlers_closed;
};

/* Starts everything; returns before the broker answered. d and c stay. */
MUST_CHECK int node_open(struct node *n, struct daemon *d, const struct node_config *c,
						 struct err *e);
/* Orderly end: drains, deregisters, then daemon_stopped. */
void node_stop(struct node *n);
/* After daemon_run; drops what the drain's deadline left. */
void node_close(struct node *n);

/* On and off; not while stopping (false). */
bool node_drain(struct node *n, bool on);
/* Nothing is to be begun. */
bool node_declines(const struct node *n);
/* For parts: something ended; when it was the last thing of a stopping node, the node leaves. */
void node_settled(struct node *n);
