/*
 * How many nodes a pool shall have. Pure: values in, a number and its reason
 * out; no clock, no bus, no memory but what the caller keeps for it. The
 * simulator in the tests drives exactly this.
 */
#pragma once

#include "common/base.h"

/* As configured, of one pool. */
struct policy_rule {
	unsigned min, max;   /* nodes; min <= max */
	unsigned step;       /* most nodes more within up_cooldown_s, and fewer at one decision */
	unsigned slots;      /* of one node */
	double full;         /* 0 to 1: from this share of slots in use on it grows, and it never plans to be fuller */
	double promise_s;    /* 95 % of tasks are to wait less */
	double up_cooldown_s;   /* grows by step at most within it */
	double down_cooldown_s; /* after any decision, before one down; idle steps follow each other */
	double idle_s;       /* without a task, before it goes to min */
	double start_s;      /* a node needs to start: how far the forecast looks ahead, beside the tick */
};

/* As seen at one moment. Rates a second, times in seconds. */
struct policy_view {
	double now_s;          /* monotonic */
	unsigned ready;        /* nodes that take tasks */
	unsigned starting;     /* started, not heard of yet */
	unsigned draining;
	unsigned used;         /* slots of the ready ones that run a task */
	uint64_t waiting;      /* tasks on its lanes that nobody runs; those of paused lanes are not counted */
	double oldest_s;       /* age of the oldest of them */
	double arrival_per_s;  /* smoothed */
	double forecast_per_s; /* expected when a node that is started now is ready */
	double service_s;      /* mean handler time; 0: not known yet */
	bool stale;            /* the broker did not answer: what is seen is old */
};

/* The last down cooldown is all of them but one, so that it is in them as a whole. */
#define POLICY_LOW_PARTS 16

/* What a pool remembers between decisions; zeroed at the start. */
struct policy_memory {
	double last_up_s, last_down_s;
	double window_s;       /* when the growth that is counted began */
	unsigned grown;        /* nodes, since then */
	double idle_since_s;   /* 0: not idle */
	double low_since_s;    /* what would do is noted without a gap since then; 0: it is not */
	unsigned low[POLICY_LOW_PARTS]; /* the most of it in each part of the last down cooldown */
	uint64_t low_part;     /* the one being noted; parts are counted from the clock's zero */
	double used_mean;      /* slots in use, smoothed: busy whatever handler times are taken for */
	double oldest_s;       /* age of the oldest task that waited, at the last look */
	bool worse;            /* it has grown since the look before */
	double seen_s;         /* when that was; 0: never */
	unsigned target;       /* the last decision; 0 before the first */
	bool decided;
};

enum policy_reason {
	POLICY_STEADY,      /* as many as now */
	POLICY_STALE,       /* nothing is seen: nothing is changed */
	POLICY_MIN,         /* fewer than min */
	POLICY_MAX,         /* more would be wanted */
	POLICY_WAIT,        /* the promise would be broken */
	POLICY_BACKLOG,     /* what waits is to be worked off within the promise */
	POLICY_FULL,        /* over `full` */
	POLICY_FORECAST,    /* by what is expected */
	POLICY_COOLDOWN,    /* a change is wanted, too soon after the last */
	POLICY_FEWER,       /* fewer keep the promise too, and have for long enough */
	POLICY_IDLE,        /* nothing to do for long enough */
};

struct policy_decision {
	unsigned target;      /* nodes there shall be: ready and starting ones */
	enum policy_reason reason;
	/* That 95 % will not exceed with target nodes, as computed. INFINITY: they can't keep up. 0 too where handler times are not known. */
	double wait_s;
	char text[240];       /* the reason as a sentence with its figures */
};

/*
 * Decides; m is the pool's memory, changed only here. The target is what there shall be, whatever there is: nodes that died
 * are to be replaced, and ones that still drain are not to be drained again, without a further decision.
 */
void policy_decide(const struct policy_rule *r, const struct policy_view *v, struct policy_memory *m,
				   struct policy_decision *ret);

/*
 * The wait that a share (0.95) of tasks does not exceed in M/M/c: Poisson arrivals, exponential service, c servers, in order of
 * arrival. Erlang's C formula: P(wait > t) = C(c, a) * exp(-(c - a) * t / s), a = arrivals * s (A. K. Erlang 1917; e.g. Gross & Harris,
 * Fundamentals of Queueing Theory, 2.3). INFINITY where a >= c.
 */
double policy_wait_s(unsigned servers, double arrival_per_s, double service_s, double share);

/* Which of the nodes is to be drained: the idlest. */
struct policy_node {
	unsigned used, slots;
	unsigned agents;       /* hosted: they would have to move */
	double cpu_percent, memory_percent;
	double age_s;
	bool ours;             /* started by a scaler; only those end */
	bool unhealthy;
};
/* Index of the victim, or -1: none may end. Ties go to the youngest. */
int policy_victim(const struct policy_node *nodes, size_t n);
