/* The router's numbers by name. Reasons come from nodes, so only the known ones become labels. */
#include "router/stats.h"

#include <stdio.h>

void stats_init(struct stats *s)
{
	s->received = metric_counter("millrace_router_tasks_received_total", "Tasks taken in.", NULL);
	s->submitted = metric_counter_by("millrace_router_tasks_submitted_total",
									 "Tasks taken in, by type; _invalid: unreadable ones.", "type");
	s->dispatched =
		metric_counter("millrace_router_tasks_dispatched_total", "Tasks put on a lane.", NULL);
	s->directed = metric_counter("millrace_router_tasks_directed_total",
								 "Tasks given to a node by the router.", NULL);
	s->redirected = metric_counter("millrace_router_tasks_redirected_total",
								   "Tasks taken back from a node that is gone or draining.", NULL);
	s->retried = metric_counter("millrace_router_tasks_retried_total",
								"Failed attempts that get another.", NULL);
	s->cancelled =
		metric_counter("millrace_router_tasks_cancelled_total",
					   "Tasks ended here: cancelled, or duplicates of a unique key.", NULL);
	s->delayed =
		metric_counter("millrace_router_tasks_delayed_total", "Tasks put into DELAYED.", NULL);
	s->dead_replayed = metric_counter("millrace_router_dead_replayed_total",
									  "Dead letters that became tasks again.", NULL);
	s->dead_discarded = metric_counter("millrace_router_dead_discarded_total",
									   "Dead letters taken away by operators.", NULL);
	s->replays_dropped = metric_counter("millrace_router_replays_dropped_total",
										"Replays that came twice; the first one ran.", NULL);
	s->in_flight =
		metric_gauge("millrace_router_in_flight", "Tasks between delivery and ack.", NULL);
	s->lanes = metric_gauge("millrace_router_lanes", "Lanes that are known.", NULL);
	s->schedules = metric_gauge("millrace_router_schedules", "Schedules that are known.", NULL);
	s->schedule_ticks = metric_counter("millrace_router_schedule_ticks_total",
									   "Tasks that a schedule's tick submitted.", NULL);
	s->hop = metric_histogram("millrace_router_hop_seconds",
							  "From a task's delivery to its ack: both PubAcks lie between.", NULL);
}

void stats_received(struct stats *s, const char *type)
{
	metric_add(s->received, 1);
	metric_add(metric_of(s->submitted, type && *type ? type : "_invalid"), 1);
}

void stats_dead(const char *reason)
{
	static const char *const known[] = {"error",      "timeout",    "crash",   "no-responders",
										"no-handler", "deliveries", "invalid", "expired",
										"shed",       "no-node"};
	char labels[48];
	const char *label = "other";

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (reason && str_eq(reason, known[i]))
			label = known[i];
	}
	snprintf(labels, sizeof(labels), "reason=\"%s\"", label);
	metric_add(
		metric_counter("millrace_router_tasks_dead_total", "Dead letters by reason.", labels), 1);
}

void stats_advisory(const char *kind)
{
	char labels[48];

	snprintf(labels, sizeof(labels), "kind=\"%s\"", kind);
	metric_add(metric_counter("millrace_router_advisories_total",
							  "Messages that the broker delivers no more.", labels),
			   1);
}
