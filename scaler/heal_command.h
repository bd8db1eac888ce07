/* A command that is run beside the loop: argv, no shell, a deadline. */
#pragma once

#include <uv.h>

#include "common/err.h"

struct heal_command;
struct heal_command_spec {
	char *const *argv;
	const char *input;    /* what stdin reads, at most 4 KiB; NULL: nothing */
	const char *log_path; /* its words are appended to it; NULL: our own stderr */
	int64_t timeout_ms;   /* then its process group gets TERM, and two seconds later KILL */
};
/* e NULL: it ended with exit 0. The command is freed when it returns. */
typedef void (*heal_on_command)(void *data, const struct err *e);

/* The spec is borrowed for the call. ERR_IO: it could not be executed. on_end never runs before this returned. */
MUST_CHECK int heal_command_start(uv_loop_t *loop, const struct heal_command_spec *s,
								  heal_on_command on_end, void *data, struct heal_command **ret,
								  struct err *e);
/* on_end will not run. The process goes on by itself: half a restart is worse than one that nobody watches. NULL is fine. */
void heal_command_leave(struct heal_command **c);
