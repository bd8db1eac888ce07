/* What scalers did, as a store tells it: `scaler history`, `heal history`. */
#pragma once

#include "cli/cli.h"

/* The flags of both; a list that is ended by {0} goes on with them. */
#define HISTORY_FLAGS                                                               \
	{"action", 0, "A", "of one kind"}, {"after", 0, "T", "not before this moment"}, \
	{                                                                               \
		"before", 0, "T", "before this moment (RFC 3339)"                           \
	}

/* Asks subject for a HistoryGet of the command's flags and prints its events, newest first. */
int cli_history(struct cli *c, const char *subject, const struct cli_column *columns, size_t n);
