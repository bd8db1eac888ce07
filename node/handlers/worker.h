/*
 * What the files of kind `worker` share: worker.c hands out the tasks, agent.c is one process,
 * agent_beat.c its heartbeat, spawned.c those that are placed here by name.
 */
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

/*
 * A long-lived process that executes up to `agents` tasks at once.
 *
 * One that was spawned by name is started as soon as it is placed here, and again whenever it ended
 * (DOWN is no place to stay). `retire`: it takes no more tasks and is ended once it has none; then
 * it is gone if it was dismissed, else started anew.
 */
struct agent {
	struct agent *prev, *next;
	struct worker *worker;
	unsigned open_timers;
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
	/* Its heartbeat: */
	uv_timer_t beat;
	bool answers_pings, hung;
	unsigned unanswered; /* pings in a row */
	/* Of one that was spawned by name: */
	char *id, *project;   /* id NULL: it was not. project NULL: none */
	int64_t heartbeat_ms; /* 0: it is not pinged */
	bool retire, dismissed;
	uint64_t tasks, errors; /* completed; failed, and crashes */
	int64_t started_wall_ns, active_wall_ns, heard_wall_ns;
};

struct worker {
	struct handler *handler;
	struct program program;
	int64_t processes, agents_each, idle_ns, backoff_min_ns, backoff_max_ns;
	bool spawned;
	unsigned slots_max; /* the handler's `slots:`; 0: none */
	char *content_type;
	struct agent *agents; /* a list */
	size_t nagents;       /* those on their way out included */
	struct assignment *waiting;
	uint64_t last_number;
	bool closing, assigning;
};

/* ---- agent.c ---- */
struct agent *agent_new(struct worker *w);
/* Takes it off the list; freed when its timers are closed. It has no process. */
void agent_discard(struct agent *a);
/* From DOWN to UP; where it cannot, to BACKOFF. */
void agent_start(struct agent *a);
bool agent_has_room(const struct agent *a);
/* Sends the task; s is on no list. */
void agent_assign(struct agent *a, struct assignment *s);
void agent_cancel(struct agent *a, struct assignment *s);
/* For good: politely where nothing is under way, else at once. */
void agent_end(struct agent *a, bool at_once);
bool agent_is_gone(const struct agent *a);
/* Ends it politely if it is to retire and has nothing to do. True: it did. */
bool agent_retires(struct agent *a);
/* A frame without a body; header is taken. */
void agent_tell(struct agent *a, json_t *header);

/* ---- agent_beat.c ---- */
/* It said that it answers pings, or how often is another. */
void agent_beat_start(struct agent *a);
void agent_beat_stop(struct agent *a);
/* A ping was answered. */
void agent_beat_heard(struct agent *a);

/* ---- spawned.c ---- */
extern const struct handler_hosting worker_hosting;
/* The handler's `hosted` and `slots` as its agents are now; told where they changed. */
void spawned_recount(struct worker *w);

/* ---- worker.c, told by agents ---- */
/* s is finished: frees it. A run that was dropped (NULL) takes no result. */
void assignment_finish(struct assignment *s, struct handler_result *r);
/* The last timer of an agent is closed: frees it. */
void worker_agent_closed(struct agent *a);
/* A process came free or went away. */
void worker_turn(struct worker *w);
/* Nobody is there any more to begin them. */
void worker_return_waiting(struct worker *w, const char *error);
/* The program cannot be run at all: nobody has to wait for it. */
void worker_fail_waiting(struct worker *w, const char *error, bool permanent);
