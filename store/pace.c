/* See pace.h. Apart from ingest.c as what it decides is felt in both throughput and latency. */
#include "store/pace.h"

void pace_count(struct pace *p, size_t events, int64_t now_ms)
{
	int64_t over_ms = now_ms - p->since_ms;
	p->events += events;
	if (over_ms >= PACE_OVER_MS) {
		p->busy = (int64_t)p->events * 1000 / over_ms >= PACE_BUSY_PER_S;
		p->since_ms = now_ms;
		p->events = 0;
	}
}

int64_t pace_due_ms(const struct pace *p, size_t nevents, size_t nearly, int64_t first_ms,
					int64_t last_write_ms)
{
	if (p->busy) {
		return last_write_ms + PACE_BUSY_MS;
	}
	return nearly == nevents ? first_ms + PACE_OUTCOME_NEAR_MS : 0;
}
