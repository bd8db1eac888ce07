/*
 * The agents that were spawned: the bucket `agents` is the truth, every
 * scaler hears it, the leader writes it. An agent has a role (the type of
 * tasks it does) and a node that hosts it; a node starts and ends its agents by
 * what it reads there.
 */
#pragma once

#include "common/service.h"
#include "scaler/scaler.h"

#define AGENTS_MAX 20000

struct agents;
struct agents *agents_new(struct scaler *s);
MUST_CHECK int agents_watch(struct agents *a, struct err *e);
bool agents_known(const struct agents *a); /* the bucket was told whole */
/* How many a pool has, placed or not. */
unsigned agents_count(const struct agents *a, const struct pool *p);
/* The fewest nodes with a place for each of its agents. */
unsigned agents_nodes_needed(const struct agents *a, const struct pool *p);
/* Nodes that there shall be for its agents: what the policy's decision becomes for a pool of agents. */
unsigned agents_nodes_wanted(const struct agents *a, const struct pool *p);
/*
 * Where we lead, every tick: places those that have no node (any more), ends those that idled too long. Of a node that is drained,
 * as fewer do, they move by that.
 */
void agents_tick(struct agents *a, struct pool *p);
/* A leadership begins: what an earlier one of ours noted of absent nodes is old. */
void agents_lead(struct agents *a);
/* Before the leader's service closes, which answers who still waits. */
void agents_forget_askers(struct agents *a);
void agents_stop(struct agents *a); /* before the bus closes */
void agents_free(struct agents **a);

/* Endpoints of the leader's service; data is the scaler. */
void agents_on_spawn(void *data, struct service_request *r);
void agents_on_terminate(void *data, struct service_request *r);
void agents_on_list(void *data, struct service_request *r);
void agents_on_get(void *data, struct service_request *r);
