/* The life of a struct cli; for main alone. */
#pragma once

#include "cli/cli.h"

void cli_open(struct cli *c, const struct cli_command *command, struct cli_flag_value *flags,
			  size_t nflags);
/* Closes the bus and the loop. */
void cli_close(struct cli *c);
/* Of call.c, for cli_close: once the bus is closed, nobody answers any more. */
void cli_abandoned_free(struct cli *c);
