/* The scaler of a private system: its configuration file and its command line. */
#pragma once

#include "cli/dev_system.h"

/* Writes <dir>/scaler.yaml with one pool of the nodes' kind, unless a file of the user's own is to be used. */
MUST_CHECK int dev_scaler_prepare(const struct dev_options *o, const char *dir, struct err *e);
/* Returns owned. */
char **dev_scaler_argv(const struct dev_options *o, const char *dir);
