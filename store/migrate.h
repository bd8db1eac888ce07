/* Brings the database's schema to this program's version. The only place that changes it. */
#pragma once

#include "common/pg.h"

/*
 * Connects (waiting at most wait_ns for the database), applies what is missing, each file as one
 * transaction, and prints a line for each on stdout. Several may run at once, through a pooler too.
 * Runs a loop of its own.
 */
MUST_CHECK int migrate(const struct pg_config *c, int64_t wait_ns, struct err *e);
