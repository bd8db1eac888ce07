/* Crash loops. It stands alone to be tested by table. */
#include "scaler/restart.h"

#define BACKOFF_MIN_MS 200
#define BACKOFF_MAX_MS 30000

bool restart_died(struct restart *r, int64_t lived_ms, bool ready, int64_t now_ms)
{
	int64_t wait_ms = BACKOFF_MIN_MS;

	if (ready && lived_ms >= RESTART_YOUNG_MS)
		return false;
	for (unsigned i = 0; i < r->young && wait_ms < BACKOFF_MAX_MS; i++)
		wait_ms *= 2;
	r->young++;
	if (r->young >= RESTART_LOOP) {
		bool already = r->suspended;
		r->suspended = true;
		r->not_before_ms = now_ms + RESTART_SUSPEND_MS;
		return !already;
	}
	r->not_before_ms = now_ms + MIN_OF(wait_ms, BACKOFF_MAX_MS);
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
		*r = (struct restart){.young = RESTART_LOOP - 1}; /* one more try */
	return true;
}
