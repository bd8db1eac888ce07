/* `millrace dev load R`: a steady mix of real work, to look at. */
#pragma once

#include "cli/cli.h"

int dev_load(struct cli *c, int argc, char **argv);
