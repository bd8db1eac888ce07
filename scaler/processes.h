/*
 * Nodes as processes of this machine, which outlive the scaler that started
 * them. A node holds an open, locked file `<dir>/nodes/<name>` for as long as it
 * lives, with its pool and its process id in it; so whoever comes next, after a
 * restart or as the next leader, finds exactly those that live, and nobody
 * takes another process for one of them. All scalers of a machine take the
 * same lock while they start one: never two for one place.
 */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "common/err.h"
#include "common/token.h"

struct process {
	char node[TOKEN_MAX + 1];
	char pool[TOKEN_MAX + 1];
	pid_t pid;
	int64_t since_ms;  /* started or adopted, monotonic */
	bool adopted;
	bool expected;     /* its end was asked for */
	/* private: */
	bool terminated;   /* SIGTERM was sent */
	struct processes *all;
	int fd;            /* pidfd */
	uv_poll_t poll;
	struct process *prev, *next;
};

struct processes;
struct processes_events {
	/* It has ended; how as in "signal 9 (Killed)", "exit status 1", or "" where it was not our child. Freed afterwards. */
	void (*on_end)(void *data, const struct process *p, const char *how, bool well);
	void *data;
};

/* dir is made where it is missing (0700). ERR_IO, ERR_DENIED where it is not ours. */
MUST_CHECK int processes_open(uv_loop_t *loop, const char *dir, const struct processes_events *ev,
							  struct processes **ret, struct err *e);
/* Finds those that live and are not known yet; forgets files of dead ones. Returns how many were adopted, or < 0. */
MUST_CHECK int processes_adopt(struct processes *ps, void (*on_adopted)(void *data, const struct process *p),
							   void *data, struct err *e);
/*
 * Starts a node unless `max` of all pools or `pool_max` of this one live already (ERR_FULL), or one of that name does (ERR_EXISTS).
 * env: over our own, "NAME=value". tied: it gets SIGTERM when we die. Its words go to <dir>/log/<node>.log.
 */
MUST_CHECK int processes_start(struct processes *ps, const char *pool, const char *node,
							   const char *const *argv, const char *const *env, bool tied,
							   unsigned pool_max, unsigned max, struct err *e);
const struct process *processes_find(const struct processes *ps, const char *node);
const struct process *processes_first(const struct processes *ps); /* then ->next */
unsigned processes_count(const struct processes *ps, const char *pool); /* NULL: all */
/* Its end is expected from now on. sig 0: nothing is sent. SIGTERM is sent once: a second one would cut the drain short. */
void processes_signal(struct processes *ps, const char *node, int sig);
/* Forgets all; the processes live on. on_closed as its uv handles are closed. NULL is fine. */
void processes_close(struct processes **ps);
