/* What the three files of the agents share: the table (agents.c), where each goes (agents_place.c), who asks (agents_api.c). */
#pragma once

#include "scaler/agents.h"

#include "common/jetstream.h"

struct agent {
	struct agents *agents;
	char id[TOKEN_MAX + 1];
	char role[TOKEN_MAX + 1], project[TOKEN_MAX + 1];
	char pool_name[TOKEN_MAX + 1], node[TOKEN_MAX + 1];
	int64_t heartbeat_ms, max_idle_ms, spawned_wall_ns;
	uint64_t placements, revision;
	int64_t absent_ms;               /* its node is not there since then; 0: it is */
	int64_t active_wall_ns, idle_ms; /* what its node told last of its work, and when we heard that first, monotonic */
	unsigned under_way;              /* questions whose answers come to it: it is not freed before */
	bool stored;                     /* the bucket has it */
	bool again;                      /* its first put is tried a second time */
	bool ending;                     /* its deletion is under way */
	uint64_t expected, gone_revision; /* of the put that is under way; of a deletion that was told meanwhile */
	uint64_t listing;
	struct service_request *spawning, *terminating; /* who waits */
	UT_hash_handle hh;
};

struct agents {
	struct scaler *scaler;
	struct kv_watch *watch;
	struct agent *all;
	uint64_t listing;                /* grows each time the bucket was told whole */
	bool told;
};

/* ---- agents.c ---- */
struct agent *agents_find(const struct agents *a, const char *id); /* NULL: none */
/* NULL: none, or it is being ended. */
struct agent *agents_find_there(const struct agents *a, const char *id);
void agents_drop(struct agent *x);
/* As its node tells; NULL: it does not. */
const Millrace__AgentStatus *agents_status(const struct agents *a, const struct agent *x);
/* Borrowed from x; with its status where a is given. */
void agents_describe(const struct agents *a, const struct agent *x, Millrace__Agent *out);
/* Ends r. */
void agents_answer(const struct agents *a, const struct agent *x, struct service_request *r);
void agents_note(struct agents *a, const struct agent *x, const char *action, const char *why);
/* Puts its entry, where that is as it is known; false: not begun. Answers x->spawning at the end. */
bool agents_put(struct agents *a, struct agent *x, struct err *e);
/* r, or NULL: answered when its entry is deleted. */
MUST_CHECK int agents_terminate(struct agents *a, struct agent *x, const char *action, const char *why,
								struct service_request *r, struct err *e);

/* ---- agents_place.c ---- */
/* Gives x a node, where there is or can be one. True: it changed. */
bool agents_place(struct agents *a, struct pool *p, struct agent *x, struct err *why);

/* A text that is cut where it is too long for a token; out holds TOKEN_MAX + 1. */
void agents_copy(char *out, const char *text);
