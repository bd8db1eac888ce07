/* What the tables need now and then: sums folded, old samples forgotten. */
#pragma once

#include "common/pg.h"

struct upkeep;

MUST_CHECK int upkeep_open(uv_loop_t *loop, struct pg *pg, int64_t samples_ns, struct upkeep **ret,
						   struct err *e);
/* After pg_close. NULL is fine. */
void upkeep_close(struct upkeep **u);
