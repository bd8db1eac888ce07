/*
 * Child processes of `millrace dev` and of the scaler: each in a process group of its own (a
 * Ctrl-C reaches the supervisor alone), its words in a log file, and told by
 * the kernel to end when the supervisor dies, however it dies.
 */
#pragma once

#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

struct proc_spec {
	const char *const *argv;   /* argv[0] is the program's path */
	const char *const *env;    /* NULL-terminated "NAME=value" over the environment, or NULL */
	const char *log_path;      /* stdout and stderr are appended to it; NULL: inherited */
	const char *input;         /* what stdin reads (at most 4 KiB); NULL: nothing */
	int death_signal;          /* sent when our process dies; 0: it outlives us, in a session of its own */
	bool keep_env;             /* our environment as it is: the child is to reach the same broker */
	/*
	 * > 0: an open file that the child keeps as descriptor 3, with what locks (flock) it has, for as long as it lives. Its
	 * process id and a newline are appended to it before the program begins.
	 */
	int lock_fd;
};

/*
 * Starts it. What points to a broker or database in our own environment is not passed on: a private system must not
 * talk to another one. ERR_IO tells why it could not be executed.
 */
MUST_CHECK int proc_spawn(const struct proc_spec *s, pid_t *ret, struct err *e);

/* Starts it and waits. ERR_FAILED: it ended otherwise than with exit 0; the end of its log is in e. */
MUST_CHECK int proc_run(const struct proc_spec *s, struct err *e);

/* "exit status 1", "signal 9 (Killed)". */
void proc_status_text(int wait_status, char *ret, size_t size);

/* The last lines (at most max_bytes) of a file, appended; nothing where it cannot be read. */
void proc_log_tail(const char *path, size_t max_bytes, struct buf *out);

/* The program beside our own ("millrace-router"): returns owned. */
char *proc_sibling(const char *name);

/* When the process started, in clock ticks since boot: with the pid it names one process. 0: there is none. */
uint64_t proc_start_ticks(pid_t pid);

/* Sends SIGKILL to every process whose parent we are (orphans of our children came to us) and reaps them. */
void proc_kill_children(void);
