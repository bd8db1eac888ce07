/*
 * One process of a private system, as a state machine of values: no clock,
 * no process, no file is touched here.
 *
 *                     ┌────── due ───────┐
 *                     ▼                  │
 *   HELD ──start──▶ STARTING ──exit──▶ WAITING      WAITING: until the backoff is over
 *     ▲               │  ▲               ▲
 *     │             ready└── (again) ──┐ │
 *     │               ▼                │ │
 *   exit            READY ─────exit────┴─┘
 *     │               │
 *     └── STOPPING ◀──┘ stop (from STARTING too; from WAITING straight to HELD)
 *
 * A node that ends well while it is ready goes straight to HELD: somebody stopped it.
 */
#pragma once

#include <sys/types.h>

#include "common/base.h"

enum component_kind {
	COMPONENT_BROKER,
	COMPONENT_POSTGRES,
	COMPONENT_SETUP, /* runs once, to the end */
	COMPONENT_ROUTER,
	COMPONENT_STORE,
	COMPONENT_NODE,
	COMPONENT_SCALER,
	COMPONENT_GATEWAY,
	COMPONENT_LOAD,
	COMPONENT_KINDS,
};

enum component_state {
	COMPONENT_HELD,
	COMPONENT_STARTING,
	COMPONENT_READY,
	COMPONENT_WAITING,
	COMPONENT_STOPPING,
};

struct component {
	char name[72];
	enum component_kind kind;
	enum component_state state;
	pid_t pid;           /* 0: none */
	uint64_t start_ticks;
	unsigned failures;   /* ends in a row, each soon after its start */
	unsigned restarts;   /* since the system was started */
	int64_t since_ms;    /* of the state */
	int64_t due_ms;      /* WAITING: when to start; STOPPING: when to kill */
	bool done;           /* SETUP: ended well */
	char last_end[64];   /* "signal 9 (Killed)" */
	char **argv;         /* owned */
	char *log_path;      /* owned */
};

/* "stopped", "starting", "ready", "restarting", "stopping". */
const char *component_state_name(enum component_state s);
/* Steps that start one after another, from 0: engines, setup, services, load. */
unsigned component_level(enum component_kind k);
/* The nth kind to stop, from 0; COMPONENT_KINDS after the last. */
enum component_kind component_stop_order(unsigned n);
/* How one of this kind is asked to end, and what the kernel sends when the supervisor died. */
int component_stop_signal(enum component_kind k);
int component_death_signal(enum component_kind k);
/* How long it may take to end before it is killed. */
int64_t component_stop_ms(enum component_kind k);

/* 200 ms, doubling to 10 s. failures from 1. */
int64_t component_backoff_ms(unsigned failures);

void component_started(struct component *c, pid_t pid, uint64_t start_ticks, int64_t now_ms);
void component_ready(struct component *c, int64_t now_ms);
/* Its process ended (or could not be started); how is kept in last_end. */
void component_ended(struct component *c, bool well, const char *how, int64_t now_ms);
/* It shall end. true: its stop signal is to be sent. */
bool component_stop(struct component *c, int64_t now_ms);
