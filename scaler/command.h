/* A command that is run beside the loop: argv, no shell, a deadline. */
#pragma once

#include <uv.h>

#include "common/err.h"

struct command;
struct command_spec {
	char *const *argv;
	char *const *env;     /* "NAME=value" over ours; NULL: none */
	bool keep_env;        /* with what leads to our broker; else without */
	const char *input;    /* what stdin reads, at most 4 KiB; NULL: nothing */
	const char *log_path; /* its words are appended to it; NULL: our own stderr */
	int64_t timeout_ms;   /* then its process group gets TERM, and two seconds later KILL */
};
/* e NULL: it ended with exit 0. The command is freed when it returns. */
typedef void (*command_on_end)(void *data, const struct err *e);

/* The spec is borrowed for the call. ERR_IO: it could not be executed. on_end never runs before this returned. */
MUST_CHECK int command_start(uv_loop_t *loop, const struct command_spec *s,
								  command_on_end on_end, void *data, struct command **ret,
								  struct err *e);
/* on_end will not run. The process goes on by itself: half a restart is worse than one that nobody watches. NULL is fine. */
void command_leave(struct command **c);
