/* What steer.c and steer_follow.c share: the nodes, and how they are told. */
#pragma once

#include "scaler/processes.h"
#include "scaler/steer.h"

/* What we know of a node beside what it says itself. */
struct member {
	struct steer *steer;
	char name[TOKEN_MAX + 1];
	struct pool *pool;
	int64_t started_ms; /* by us, and not heard of since; 0: heard of */
	int64_t since_ms;
	int64_t drain_ms, stop_ms, undrain_ms; /* when it was told to; 0: not */
	int64_t empty_ms;                      /* draining and without a task since then; 0: not */
	bool dead;                             /* its process was seen to end */
	bool was_ready;
	bool barred; /* ill: not undrained */
	struct bus_call *call;
	UT_hash_handle hh;
};

struct steer {
	struct scaler *scaler;
	struct member *members;
	char host[256];
};

/* ---- steer.c ---- */
struct member *steer_member(const struct steer *st, const char *name); /* NULL: none */
void steer_member_drop(struct member *m);
const struct process *steer_process(const struct steer *st,
									const char *name); /* NULL: none on this machine */
/*
 * "ready", "draining", "lost" by what it says; "" where it says nothing, or is known to be dead: what was heard under its
 * name before it was started are another's last words.
 */
const char *steer_state(const struct node_entry *n, const struct member *m);
void steer_note(struct steer *st, const struct pool *p, const char *action, const char *node,
				const char *why);
/* A node died; where that was one too many, nothing is started for a while. */
void steer_died(struct steer *st, struct pool *p, int64_t lived_ms, bool ready);
/* "drain", "undrain", "stop"; false: not asked. */
bool steer_ask(struct member *m, const char *verb);
void steer_command(struct member *m, bool starting);

/* ---- steer_follow.c ---- */
void steer_follow(struct steer *st, struct pool *p);
