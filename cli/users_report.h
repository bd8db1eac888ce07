/* A scenario's figures as one object, and for people. */
#pragma once

#include "cli/cli.h"
#include "cli/users_plan.h"

/* Returns owned. (Sorts the tally's samples.) */
json_t *users_report(const struct users_scenario *s, struct users_tally *t);
/* Tables; how each figure was measured stands below. reports: an array of these objects. */
void users_report_print(const struct cli *c, const json_t *reports);
