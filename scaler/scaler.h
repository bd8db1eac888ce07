/*
 * One scaler: what its parts share, and its life. Every tick: look (observe), and
 * where it leads: for each pool decide (policy), then bring about (steer).
 */
#pragma once

#include "common/daemon.h"
#include "common/roster.h"
#include "scaler/config.h"
#include "scaler/forecast.h"
#include "scaler/observe.h"
#include "scaler/policy.h"
#include "scaler/restart.h"

struct agents;
struct heal;
struct journal;
struct lead;
struct processes;
struct service;
struct steer;

/* A time in which a pool's slots are all in use and tasks wait: by how fast they end, how long they take now (service_time.h). */
struct crowd {
	double since_s, seen_s;   /* monotonic; 0: there is none */
	double slot_s, done;      /* slots in use by seconds, and tasks that ended meanwhile */
	double ended;             /* the pool's, at the last look */
};

/* A pool at work. */
struct pool {
	const struct pool_config *config;
	struct policy_memory memory;
	struct policy_view view;
	struct policy_decision decision;
	struct forecast forecast;
	struct restart restart;
	double busy_s, done;      /* handler time and tasks that ended, of late */
	double ended;             /* tasks that ended, all that was heard of */
	struct crowd crowd;
	bool fixed;               /* `pool scale`: so many, whatever the policy says */
	unsigned fixed_nodes;
	unsigned slots;           /* of its ready nodes */
	unsigned told_target;     /* the last in the journal */
	enum policy_reason told_reason;
	bool told;
};

struct scaler {
	struct daemon daemon;
	struct scaler_config config;
	struct bus *bus;
	struct roster *roster;
	struct observe *observe;
	struct lead *lead;
	struct processes *processes;
	struct journal *journal;
	struct steer *steer;
	struct agents *agents;
	struct heal *heal;
	struct service *service;
	struct pool *pools;
	size_t npools;
	struct timeout tick;
	char instance[17];
	int64_t observed_ms;      /* the last look that was answered, monotonic; 0: none */
	int64_t observed_wall_ns, leading_wall_ns;
	bool opened, stopping;
};

MUST_CHECK int scaler_start(struct scaler *s, struct err *e);
/* Orderly end: drains the nodes it started (unless they are kept), gives the lease back, then daemon_stopped. */
void scaler_stop(struct scaler *s);
void scaler_release(struct scaler *s);

struct pool *scaler_pool(const struct scaler *s, const char *name); /* NULL: none */
/* The first pool of the file that serves the lane, by its configuration or by what its nodes say; NULL: none does. */
struct pool *scaler_pool_of(const struct scaler *s, const struct lane *lane);
/* Looks and decides soon, not only at the next tick. */
void scaler_poke(struct scaler *s);
