/* What the two files of kind `worker` share: worker.c hands out the tasks, agent.c is one process. */
#pragma once

#include "node/handler.h"
#include "node/handlers/child.h"
#include "node/handlers/frame.h"
#include "node/handlers/program.h"

/*
 *            start                 exit 0, nothing under way
 *	 DOWN ─────────▶ UP ───────────────────────────────────▶ DOWN
 *	  ▲              │ │ ended, or killed   ┌─────────┐  time is up
 *	  │              │ └───────────────────▶│ BACKOFF │────────────▶ DOWN
 *	  │              │ idle, or closing     └─────────┘
 *	  │              ▼            ended
 *	  └────────── ENDING ◀──── (stdin ended; TERM after the grace)
 */
enum agent_state { AGENT_DOWN, AGENT_UP, AGENT_ENDING, AGENT_BACKOFF };

struct worker;

/* One task at one process. */
struct assignment {
	struct handler_run *run;
	struct agent *agent;         /* NULL: it waits for a process */
	uint64_t number;             /* as the frames name it */
	int64_t cancel_deadline_ms;  /* 0: not cancelled; then the process has till here to let go */
	struct assignment *prev, *next;
};

/* A long-lived process that executes up to `agents` tasks at once. */
struct agent {
	struct worker *worker;
	enum agent_state state;
	struct child *child;     /* UP and ENDING */
	uv_timer_t timer;        /* UP: deadline of a cancel, or idling; ENDING: grace; BACKOFF: its end */
	struct frame_reader in;
	struct assignment *assigned;
	unsigned count;
	unsigned failures;       /* ends in a row without one answer */
	bool killed_for_one;     /* we killed it, for one task that would not end: the others are not to blame */
	struct err protocol;     /* what it said that it must not; code 0: nothing */
	char *dir;
};

struct worker {
	struct handler *handler;
	struct program program;
	int64_t processes, agents_each, idle_ns, backoff_min_ns, backoff_max_ns;
	char *content_type;
	struct agent *agents;
	size_t open_timers;
	struct assignment *waiting;
	uint64_t last_number;
	bool closing, assigning;
};

/* ---- agent.c ---- */
void agent_init(struct agent *a, struct worker *w);
/* From DOWN to UP; where it cannot, to BACKOFF. */
void agent_start(struct agent *a);
bool agent_has_room(const struct agent *a);
/* Sends the task; s is on no list. */
void agent_assign(struct agent *a, struct assignment *s);
void agent_cancel(struct agent *a, struct assignment *s);
/* For good: politely where nothing is under way, else at once. */
void agent_end(struct agent *a, bool at_once);
bool agent_is_gone(const struct agent *a);

/* ---- worker.c, told by agents ---- */
/* s is finished: frees it. A run that was dropped (NULL) takes no result. */
void assignment_finish(struct assignment *s, struct handler_result *r);
/* A process came free or went away. */
void worker_turn(struct worker *w);
/* The program cannot be run at all: nobody has to wait for it. */
void worker_fail_waiting(struct worker *w, const char *error, bool permanent);
