/* Orders that concern many tasks: a word on a terminal, --yes elsewhere; and who it is that asks. */
#pragma once

#include "cli/cli.h"

#define BY_MAX 100

/*
 * 0: go on. Else an exit code, and why was said. The command has a flag --yes. what: "cancel 512
 * tasks"; word: what is to be typed.
 */
int cli_confirm(const struct cli *c, const char *what, const char *word);
/* "user@host", for the log of the one who does it. */
void cli_by(char out[BY_MAX]);
