/* Crash loops. It stands alone to be tested by table. */
#include "scaler/restart.h"

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 30000

bool restart_died(struct restart *r, int64_t lived_ms, bool ready, unsigned nodes, int64_t now_ms)
{
	int64_t wait_ms = BACKOFF_MIN_MS;

	if (ready && lived_ms >= RESTART_YOUNG_MS)
		return false;
	r->young++;
	r->rounds = r->young / MAX_OF(nodes, 1u);
	for (unsigned i = 0; i < r->rounds && wait_ms < BACKOFF_MAX_MS; i++)
		wait_ms *= 2;
	if (r->rounds >= RESTART_ROUNDS) {
		bool already = r->suspended;
		r->suspended = true;
		r->not_before_ms = now_ms + RESTART_SUSPEND_MS;
		return !already;
	}
	/* Within the first round the others are no reason to wait. */
	r->not_before_ms = r->rounds ? now_ms + MIN_OF(wait_ms, BACKOFF_MAX_MS) : 0;
	return false;
}

void restart_grown(struct restart *r)
{
	if (!r->suspended)
		*r = (struct restart){0};
}

bool restart_allows(struct restart *r, int64_t now_ms)
{
	if (now_ms < r->not_before_ms)
		return false;
	if (r->suspended)
		*r = (struct restart){.young = r->young - 1}; /* one more try */
	return true;
}
