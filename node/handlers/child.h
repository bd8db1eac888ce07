/*
 * A foreign program under the launcher, as the loop sees it: bytes in, bytes
 * out, one end. Whatever becomes of it, on_end comes exactly once, nothing of
 * it is left then, and its directory is gone.
 */
#pragma once

#include <uv.h>

#include "common/buf.h"
#include "common/err.h"
#include "node/handlers/limits.h"

struct child;

enum child_end_kind {
	CHILD_EXITED,    /* number: its exit code */
	CHILD_SIGNALED,  /* number: the signal */
	CHILD_NOT_FOUND, /* there is no such program, or it may not be run; number: errno */
	CHILD_TOO_MANY,  /* it had more processes than allowed; number: how many */
	CHILD_LOST,      /* the launcher itself was killed */
};

struct child_end {
	enum child_end_kind kind;
	int number;
	const char *words; /* the last lines of its stderr, one line, printable; "" for none */
	const char *last;  /* the last of them alone */
};

struct child_events {
	void (*on_output)(void *data, const char *bytes, size_t len);
	/* The child is gone when it returns; never before child_start returned. */
	void (*on_end)(void *data, const struct child_end *end);
	void *data;
};

struct child_spec {
	uv_loop_t *loop;
	char *const *argv;
	char *const *env;
	const char *directory;  /* where it starts */
	const char *scratch;    /* removed at its end; or NULL */
	const char *input;      /* a file that is its stdin; NULL: what child_write says */
	const struct limits *limits;
};

/* Everything in spec is copied or used up. On failure nothing was started and scratch is still there. */
MUST_CHECK int child_start(const struct child_spec *spec, const struct child_events *ev,
                           struct child **ret, struct err *e);

/* To its stdin. A program that does not read, or closed it, is no error. Borrowed until on_end. */
void child_write(struct child *c, const void *data, size_t len);
/* The same for memory from malloc, which is taken. */
void child_write_owned(struct child *c, char *data, size_t len);
/* Its stdin ends once everything is written. */
void child_end_input(struct child *c);

void child_stop(struct child *c); /* TERM, then after the grace KILL */
void child_kill(struct child *c); /* all of it, now */

/* The program's process; 0: it is not known to run yet. */
int child_pid(const struct child *c);

/* "ended with exit code 3: <words>", for a sentence that starts with the program's name. */
void child_end_describe(const struct child_end *end, char *out, size_t size);

/* How many are there now, in this process. */
unsigned child_count(void);
