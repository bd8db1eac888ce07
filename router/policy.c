/*
 * When a task is tried again. It stands alone so that the rules can be read
 * and tested as a table: attempts and their backoff for what failed, a slowly
 * growing wait without end for what merely found no place. Both are spread by
 * ±20 %, lest a thousand tasks that failed together fail together again.
 */
#include "router/policy.h"

#define DEFERRAL_BASE_NS NS_PER_S
#define DEFERRAL_MAX_NS (60 * NS_PER_S)
#define RETRY_AFTER_MAX_NS (24 * 3600 * NS_PER_S)

/* FNV-1a, with a last stir because its low bits follow the last letters. */
uint32_t policy_seed(const char *task_id, unsigned attempt)
{
	uint32_t h = 2166136261u;

	for (const char *p = task_id; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	h = (h ^ attempt) * 16777619u;
	h ^= h >> 15;
	h *= 0x85ebca6bu;
	return h ^ h >> 13;
}

static int64_t grown(int64_t base_ns, double factor, int64_t max_ns, unsigned steps)
{
	double v = (double)base_ns;

	for (unsigned i = 0; i < steps && v < (double)max_ns; i++)
		v *= factor;
	return v < (double)max_ns ? (int64_t)v : max_ns;
}

/* 0.8 to 1.2 times. */
static int64_t spread(int64_t ns, uint32_t seed)
{
	return (int64_t)((double)ns * (0.8 + 0.4 * (double)(seed % 10000) / 10000.0));
}

int64_t policy_deferral_ns(unsigned deferrals, uint32_t seed)
{
	return spread(grown(DEFERRAL_BASE_NS, 2.0, DEFERRAL_MAX_NS, deferrals), seed);
}

struct policy_decision policy_after_failure(const struct retry_rule *rule,
											const struct failed_attempt *f)
{
	struct policy_decision d = {.verdict = POLICY_BURY};

	if (f->returned) {
		d.verdict = POLICY_DEFER;
		d.delay_ns = policy_deferral_ns(f->deferrals, f->seed);
	} else if (!f->permanent && !f->poison && f->attempt < rule->attempts) {
		d.verdict = POLICY_RETRY;
		d.delay_ns =
			spread(grown(rule->base_ns, rule->factor, rule->max_ns, f->attempt - 1), f->seed);
	} else {
		return d;
	}
	/* Who failed knows best when it is worth trying, within reason. */
	if (f->retry_after_ns > 0)
		d.delay_ns = MIN_OF(f->retry_after_ns, RETRY_AFTER_MAX_NS);
	return d;
}

int64_t policy_bucket(int64_t due_wall_ns, int64_t now_wall_ns)
{
	int64_t earliest = (now_wall_ns + BUCKET_LEAD_NS) / NS_PER_S / BUCKET_S;
	int64_t wanted = due_wall_ns / NS_PER_S / BUCKET_S;

	return MAX_OF(wanted, earliest);
}
