/*
 * The router: everything in it, and what its parts share. One loop, one
 * thread. Each part is a pointer to its own struct, made by router_start and
 * released by router_release; they reach each other only through here.
 */
#pragma once

#include "common/bus.h"
#include "common/daemon.h"
#include "common/timeouts.h"
#include "router/config.h"
#include "common/decode.h"
#include "router/headers.h"
#include "router/hold.h"
#include "router/policy.h"
#include "router/stats.h"

enum origin {
	ORIGIN_TASKS,
	ORIGIN_ACT,
	ORIGIN_DELAYED,
	ORIGIN_RUN,
	ORIGIN_DIRECT, /* taken off the queue of a node that is gone */
	ORIGIN_PURGE,  /* taken from its lane, to be cancelled */
	ORIGIN_COUNT
};

struct router {
	struct router_config config;
	struct daemon daemon;
	struct bus *bus;
	struct timeouts *timeouts;
	char instance[17]; /* differs at each start; first part of the ids of our batches */
	struct decode_rules rules;
	struct retry_rule retry;
	struct types *types; /* what is configured by type; read before router_start */
	struct balance_rules *balance_rules;
	struct stats stats;
	struct header_list headers; /* of the message being published */

	/* What passes through, and how much of it; see transit.h. */
	struct transit *transits[ORIGIN_COUNT]; /* oldest sign of life first */
	struct transit *spare;                  /* ended ones, for the next */
	size_t nspare;
	size_t in_flight;
	size_t in_flight_bytes;
	struct timeout keep_alive;

	/* What is refused for being full and is waited for; see hold.h. */
	struct hold events_full, delayed_full, dead_full;

	struct cancels *cancels; /* markers; see cancel.h */
	bool claims_wait;        /* the store does not answer about unique keys: said */

	struct setup *setup;
	struct lanes *lanes;
	struct wake *wake;
	struct record *record;
	struct delay *delay;
	struct inbox *inbox;
	struct act *act;
	struct advisories *advisories;
	struct run *run;
	struct roster *roster;
	struct place *place;
	struct direct *direct;
	struct same_node *same_node;
	struct query *query;
	struct schedules *schedules;
	struct schedule_operation *schedule_operations;
	struct dead_desk *dead_desk;
	struct breakers *breakers;
	struct service *service;
	struct setting_call *setting_calls; /* under way; see setting.h */
	struct control *controls;           /* requests under way; see lane_control.h */
	struct purge *purges;               /* under way; see purge.h */
	struct shed *shed;
	bool opened; /* the inbox is open: readiness was told */
	bool draining;
	bool poked; /* router_poke was called in this turn */
};

/* Reads nothing from the broker yet: that begins when it is there. Release in either case. */
MUST_CHECK int router_start(struct router *r, struct err *e);
/* Stops taking; daemon_stopped when nothing is in flight any more. */
void router_drain(struct router *r);
/* After the loop has ended. */
void router_release(struct router *r);

/* Whether more may be taken in: the broker is there, and no stream that everything needs is full. */
bool router_may_take(const struct router *r);
/* Something was settled or a stream has room again: whoever waited for room may ask. */
void router_poke(struct router *r);
/* A part has its first look at the broker behind it. */
void router_learned(struct router *r);
