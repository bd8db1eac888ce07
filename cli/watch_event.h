/* What happened to a task, from whichever message told it. Pure. */
#pragma once

#include "common/bus.h"

struct watch_event {
	const char *event; /* scheduled queued started failed returned completed dead cancelled */
	const char *id;
	const char *type, *lane, *node, *error; /* "" where it is not told */
	unsigned attempt;
	int64_t at_wall_ns;
	int64_t duration_ns; /* 0: not told */
};
typedef void (*on_watch_event)(void *data, const struct watch_event *ev);

struct watch_message {
	const char *subject;
	const struct bus_header *headers;
	size_t nheaders;
	const char *data;
	size_t len;
};

/* Tells each event of a message of events.queued, events.started, events.done or events.act.
 * Others, and broken ones: none. */
void watch_events_read(const struct watch_message *m, on_watch_event tell, void *data);
