/* What the tables need now and then: sums folded, old samples forgotten, results that have expired removed. */
#pragma once

#include "common/pg.h"

struct upkeep;

/* How long what is kept; 0: for ever. */
struct upkeep_times {
	int64_t samples_ns, results_ns, tasks_ns, history_ns;
};

MUST_CHECK int upkeep_open(uv_loop_t *loop, struct pg *pg, const struct upkeep_times *times,
						   struct upkeep **ret, struct err *e);
/* After pg_close. NULL is fine. */
void upkeep_close(struct upkeep **u);
