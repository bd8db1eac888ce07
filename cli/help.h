/* What `millrace help`, --help and `millrace help CMD` say. Made from the tables, so it cannot
 * differ from them. */
#pragma once

#include <stdio.h>

#include "cli/args.h"

void help_overview(FILE *to, const struct cli_command *const *lists);
/* Also the commands below it, where there are some ("dev"). */
void help_command(FILE *to, const struct cli_command *const *lists, const struct cli_command *c);
/* All commands "group something". */
void help_group(FILE *to, const struct cli_command *const *lists, const char *group);
void help_globals(FILE *to, const struct config_key *keys);
