/*
 * A lane's lag. It stands alone so that it can be tested by table. The age of
 * the oldest that waits is how long ago the stream's last sequence was below
 * it: as exact as our looks are frequent, and no message has to be read for
 * it. What waits for longer than our notes go back is as old as the stream's
 * first message at most, and as our oldest note at least.
 */
#include "scaler/lag.h"

#include "common/clock.h"

static double age_of(const struct lag *l, uint64_t seq, const struct lag_state *s, double now_s,
					 int64_t now_wall_ns)
{
	double bound_s = s->first_wall_ns ? (double)(now_wall_ns - s->first_wall_ns) / NS_PER_S : 0;

	/* The first note whose last sequence had reached it: it came between that one and the one before. */
	for (unsigned i = 0; i < l->n; i++) {
		unsigned at = (l->from + i) % LAG_NOTES;

		if (l->notes[at].seq < seq)
			continue;
		if (i == 0)
			break; /* it was there before we looked */
		unsigned before = (at + LAG_NOTES - 1) % LAG_NOTES;
		double came_s = (l->notes[before].at_s + l->notes[at].at_s) / 2;
		return MAX_OF(now_s - came_s, 0.0);
	}
	return MAX_OF(bound_s, 0.0);
}

static void note(struct lag *l, uint64_t seq, double now_s)
{
	unsigned at = (l->from + l->n) % LAG_NOTES;

	if (l->n == LAG_NOTES)
		l->from = (l->from + 1) % LAG_NOTES;
	else
		l->n++;
	l->notes[at].seq = seq;
	l->notes[at].at_s = now_s;
}

void lag_look(struct lag *l, const struct lag_state *s, double now_s, int64_t now_wall_ns)
{
	if (l->n) {
		unsigned last = (l->from + l->n - 1) % LAG_NOTES;
		double passed_s = now_s - l->notes[last].at_s;

		if (s->last_seq < l->notes[last].seq)
			l->n = l->from = 0;
		else if (passed_s > 0)
			l->arrival_per_s = (double)(s->last_seq - l->notes[last].seq) / passed_s;
	}
	note(l, s->last_seq, now_s);
	l->waiting = s->asked ? s->pending : s->messages;
	l->running = s->asked ? s->unacked : 0;
	uint64_t first = s->asked && s->next_seq ? s->next_seq : 0;
	l->oldest_s = l->waiting ? age_of(l, first, s, now_s, now_wall_ns) : 0;
}
