/* The decisions about one process: how long to wait, what to send, what comes after what. Nothing here can fail. */
#include "cli/dev_component.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>

#define STABLE_MS 30000 /* who ran that long has not failed in a row */

const char *component_state_name(enum component_state s)
{
	switch (s) {
	case COMPONENT_HELD:
		return "stopped";
	case COMPONENT_STARTING:
		return "starting";
	case COMPONENT_READY:
		return "ready";
	case COMPONENT_WAITING:
		return "restarting";
	case COMPONENT_STOPPING:
		return "stopping";
	}
	return "?";
}

unsigned component_level(enum component_kind k)
{
	switch (k) {
	case COMPONENT_BROKER:
	case COMPONENT_POSTGRES:
		return 0;
	case COMPONENT_SETUP:
		return 1;
	case COMPONENT_ROUTER:
	case COMPONENT_STORE:
	case COMPONENT_NODE:
	case COMPONENT_SCALER:
	case COMPONENT_GATEWAY:
		return 2;
	case COMPONENT_LOAD:
	case COMPONENT_KINDS:
		break;
	}
	return 3;
}

enum component_kind component_stop_order(unsigned n)
{
	/*
	 * Who brings work first, then who starts nodes, then who takes work, then who passes it on, then who records it, then
	 * what they stand on.
	 */
	static const enum component_kind order[] = {
		COMPONENT_LOAD, COMPONENT_SETUP,  COMPONENT_GATEWAY, COMPONENT_SCALER,   COMPONENT_NODE,
		COMPONENT_ROUTER, COMPONENT_STORE, COMPONENT_BROKER,  COMPONENT_POSTGRES,
	};

	return n < ARRAY_LEN(order) ? order[n] : COMPONENT_KINDS;
}

int component_stop_signal(enum component_kind k)
{
	/* PostgreSQL's "fast" shutdown: SIGTERM would wait for its clients. */
	return k == COMPONENT_POSTGRES ? SIGINT : SIGTERM;
}

int component_death_signal(enum component_kind k)
{
	/*
	 * Certain and quick where nothing that matters is in memory. PostgreSQL must clean up its own children: SIGQUIT is
	 * its "immediate" shutdown.
	 */
	switch (k) {
	case COMPONENT_POSTGRES:
		return SIGQUIT;
	case COMPONENT_BROKER:
		return SIGTERM;
	case COMPONENT_SETUP:
	case COMPONENT_ROUTER:
	case COMPONENT_STORE:
	case COMPONENT_NODE:
	case COMPONENT_SCALER:
	case COMPONENT_GATEWAY:
	case COMPONENT_LOAD:
	case COMPONENT_KINDS:
		break;
	}
	return SIGKILL;
}

int64_t component_stop_ms(enum component_kind k)
{
	/* A node may drain for 30 s (drain.timeout); PostgreSQL may write a long checkpoint. */
	return k == COMPONENT_POSTGRES ? 60000 : 35000;
}

int64_t component_backoff_ms(unsigned failures)
{
	if (failures == 0)
		return 0;
	return failures > 6 ? 10000 : MIN_OF(INT64_C(200) << (failures - 1), INT64_C(10000));
}

static void enter(struct component *c, enum component_state s, int64_t now_ms)
{
	c->state = s;
	c->since_ms = now_ms;
}

void component_started(struct component *c, pid_t pid, uint64_t start_ticks, int64_t now_ms)
{
	assert(c->state == COMPONENT_HELD || c->state == COMPONENT_WAITING);
	c->pid = pid;
	c->start_ticks = start_ticks;
	enter(c, COMPONENT_STARTING, now_ms);
}

void component_ready(struct component *c, int64_t now_ms)
{
	if (c->state == COMPONENT_STARTING)
		enter(c, COMPONENT_READY, now_ms);
}

void component_ended(struct component *c, bool well, const char *how, int64_t now_ms)
{
	snprintf(c->last_end, sizeof(c->last_end), "%s", how);
	c->pid = 0;
	c->start_ticks = 0;
	/* A node that ended well was told to (millrace node stop): it stays away, as under systemd. */
	if (c->state == COMPONENT_STOPPING || (c->kind == COMPONENT_SETUP && well) ||
		(c->kind == COMPONENT_NODE && well && c->state == COMPONENT_READY)) {
		c->done = c->kind == COMPONENT_SETUP && well;
		enter(c, COMPONENT_HELD, now_ms);
		return;
	}
	if (c->state == COMPONENT_READY && now_ms - c->since_ms >= STABLE_MS)
		c->failures = 0;
	c->failures++;
	c->restarts++;
	enter(c, COMPONENT_WAITING, now_ms);
	c->due_ms = now_ms + component_backoff_ms(c->failures);
}

bool component_stop(struct component *c, int64_t now_ms)
{
	switch (c->state) {
	case COMPONENT_HELD:
	case COMPONENT_STOPPING:
		return false;
	case COMPONENT_WAITING:
		enter(c, COMPONENT_HELD, now_ms);
		return false;
	case COMPONENT_STARTING:
	case COMPONENT_READY:
		enter(c, COMPONENT_STOPPING, now_ms);
		c->due_ms = now_ms + component_stop_ms(c->kind);
		return true;
	}
	return false;
}
