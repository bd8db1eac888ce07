/* Gauges of the last tick. It stands alone as the list of what there is to see. */
#include "scaler/metrics.h"

#include <math.h>

#include "common/clock.h"
#include "common/metrics.h"
#include "scaler/lead.h"

static void set(const char *name, const char *help, const char *pool, double v)
{
	CLEANUP(free_ptr) char *labels = xasprintf("pool=\"%s\"", pool);

	metric_set(metric_gauge(name, help, labels), isfinite(v) ? v : -1);
}

void metrics_update(struct scaler *s, bool leading)
{
	metric_set(metric_gauge("millrace_scaler_leading", "1 where it leads.", NULL), leading);
	metric_set(metric_gauge("millrace_scaler_look_age_seconds", "Since lag was read last.", NULL),
			   s->observed_ms ? (double)(clock_mono_ms() - s->observed_ms) / 1000 : -1);
	for (size_t i = 0; i < s->npools; i++) {
		const struct pool *p = &s->pools[i];
		const char *name = p->config->name;

		set("millrace_pool_nodes", "Nodes that take tasks.", name, p->view.ready);
		set("millrace_pool_nodes_starting", "Nodes started and not heard of yet.", name, p->view.starting);
		set("millrace_pool_nodes_draining", "Nodes on their way out.", name, p->view.draining);
		set("millrace_pool_nodes_target", "Nodes there shall be; -1: another scaler decides.", name,
			leading ? (double)p->decision.target : -1);
		set("millrace_pool_slots", "Tasks its nodes run at once.", name, p->slots);
		set("millrace_pool_slots_used", "Tasks they run.", name, p->view.used);
		set("millrace_pool_waiting_tasks", "Tasks on its lanes that nobody runs.", name,
			(double)p->view.waiting);
		set("millrace_pool_oldest_seconds", "Age of the oldest of them.", name, p->view.oldest_s);
		set("millrace_pool_arrivals_per_second", "Tasks that come, smoothed.", name, p->view.arrival_per_s);
		set("millrace_pool_service_seconds", "Handler time of a task.", name, p->view.service_s);
		set("millrace_pool_promise_seconds", "95 % of tasks are to wait less.", name,
			p->config->rule.promise_s);
		set("millrace_pool_suspended", "1 where its nodes died too often to be started again.", name,
			p->restart.suspended);
	}
}
