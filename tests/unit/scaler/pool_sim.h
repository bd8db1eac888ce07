/*
 * A pool in a made-up world: tasks come by a rate, wait in one queue in order
 * of arrival, and run in the slots of nodes that need time to start and finish
 * what they have before they end. A scaler is asked once a second, of what a
 * scaler would see. The same seed gives the same run.
 */
#pragma once

#include "scaler/policy.h"

enum sim_service {
	SIM_EXPONENTIAL,
	SIM_CONSTANT,
	SIM_MIXED, /* nine of ten tasks a tenth of the mean, one of ten 9.1 times the mean */
};

struct sim_load {
	const char *name;
	double duration_s;
	double (*rate)(double at_s); /* tasks a second */
	/* Mean handler time of a task that begins then. INFINITY: it never ends. */
	double (*service)(double at_s);
	enum sim_service kind;
	double ignored_from_s;           /* from then on no node takes a task; 0: never */
	double blind_from_s, blind_to_s; /* the view is stale */
	uint64_t seed;
};

/* One look. */
struct sim_tick {
	double rate; /* the true one */
	uint64_t waiting;
	double oldest_s;
	unsigned target; /* decided now */
	unsigned nodes;  /* that cost: starting, ready, draining */
	unsigned ready;
	unsigned ideal;   /* that would be right if the rate were known and nodes started at once */
	unsigned reason;  /* enum policy_reason, of scalers that have one */
	unsigned arrived; /* tasks, since the last look */
	unsigned late;    /* those of them that waited longer than promised */
};

struct sim_result {
	struct sim_tick *ticks; /* one a second */
	size_t nticks;
	uint64_t tasks;
	double p50_s, p95_s, max_s; /* waits; one that still waits at the end has waited until then */
	double late;                /* share that waited longer than promised */
	double node_minutes, ideal_minutes;
	unsigned changes; /* of the target */
	unsigned target_min, target_max;
};

struct sim_scaler {
	const char *name;
	/* The target; memory is zeroed at the start of a run. */
	unsigned (*decide)(const struct policy_rule *r, const struct policy_view *v, void *memory,
					   enum policy_reason *ret_reason);
	size_t memory_size;
};

struct sim_result sim_run(const struct sim_load *load, const struct policy_rule *rule,
						  const struct sim_scaler *scaler);
void sim_release(struct sim_result *r);

/* Share of the tasks that came in [from_s, to_s) and waited longer than promised; 0 where none came. */
double sim_late(const struct sim_result *r, double from_s, double to_s);

extern const struct sim_scaler sim_policy; /* ours */
/* One node more when lag (waiting and running) over nodes exceeds `full` of a node's slots, one fewer when it would not with one fewer. */
extern const struct sim_scaler sim_threshold;
/* Lag over that, rounded up, and down to the largest of the last down_cooldown_s: what KEDA and a HorizontalPodAutoscaler do. */
extern const struct sim_scaler sim_proportional;
