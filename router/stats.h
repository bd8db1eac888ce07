/* The router's numbers, looked up once. */
#pragma once

#include "common/metrics.h"

struct stats {
	struct metric *received;     /* tasks taken from TASKS and run.* */
	struct metric_by *submitted; /* the same by type */
	struct metric *dispatched;   /* published to a lane */
	struct metric *directed;     /* published to DIRECT */
	struct metric *redirected;   /* taken off it again: their node is gone or draining */
	struct metric *retried;
	struct metric *cancelled; /* ended here instead of going on */
	struct metric *delayed;   /* published to DELAYED */
	struct metric *in_flight;
	struct metric *dead_replayed;
	struct metric *dead_discarded;
	struct metric *replays_dropped; /* the same replay a second time */
	struct metric *lanes;
	struct metric *schedules;      /* known */
	struct metric *schedule_ticks; /* submitted */
	struct metric *hop;            /* from delivery to ack */
};

void stats_init(struct stats *s);
/* A task was taken in; type NULL or "": it has none that could be read. */
void stats_received(struct stats *s, const char *type);
void stats_dead(const char *reason);
void stats_advisory(const char *kind);
