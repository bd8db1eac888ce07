/* What a handler that runs a foreign program is told in the file: exec and worker have these keys in common. */
#pragma once

#include "node/handler.h"
#include "node/handlers/limits.h"

#define PROGRAM_KEYS "command,env,limits,directory"

struct program {
	char **argv;       /* argv[0] resolved: absolute, or a name that PATH finds */
	char **env;        /* "NAME=value", or NULL */
	char *directory;   /* where it starts, absolute; NULL: its fresh directory */
	struct limits limits;
};

/* Keys command (required), env, limits, directory. Relative paths count from the node's own directory. */
MUST_CHECK int program_read(const struct doc *map, struct program *ret, struct err *e);
void program_release(struct program *p);

/* argv with every "{file}" and "{dir}" replaced (NULL: by nothing). Returns an owned list. */
char **program_argv(const struct program *p, const char *file, const char *dir);
