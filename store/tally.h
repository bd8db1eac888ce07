/* How many tasks ended, by type and how: what throughput and the error rate are counted from. */
#pragma once

#include "common/metrics.h"
#include "store/merge.h"

struct tally {
	struct metric_by *completed, *dead, *cancelled;
};

void tally_init(struct tally *t);
/* A row that was committed; counts it where it is final. */
void tally_count(struct tally *t, const struct task_row *row);
