/*
 * The command line, split: which command, its flags and positional
 * arguments, and what belongs to common/config (the global flags, which may
 * stand anywhere). Pure.
 */
#pragma once

#include "cli/cli.h"

struct args {
	const struct cli_command *command; /* NULL: none was named */
	const char
		*group; /* the word that was given where only "word something" are commands; else NULL */
	struct cli_flag_value *flags;
	size_t nflags;
	char **positional;
	size_t npositional;
	char **globals; /* argv for config_load: the program, then global flags */
	size_t nglobals;
	bool help;          /* --help or -h stood somewhere */
	bool answers_alone; /* --version, --show-config or --check-config: needs no command */
};

/* lists: NULL-terminated list of lists of commands. keys: the table of global flags. Strings are
 * borrowed from argv. */
MUST_CHECK int args_parse(const struct cli_command *const *lists, const struct config_key *keys,
						  int argc, char **argv, struct args *ret, struct err *e);
void args_release(struct args *a);

/* ---- names of commands; command.c ---- */

#define COMMAND_NAME_MAX 96

/* By its full name; NULL: no such. */
const struct cli_command *command_find(const struct cli_command *const *lists, const char *name);
/* Whether some command is "group something". */
bool command_group(const struct cli_command *const *lists, const char *group);
/* The name that is nearest to what was typed, or NULL where none is near. */
const char *command_nearest(const struct cli_command *const *lists, const char *typed);
