/*
 * The breaker's decisions (its states are drawn in breaker.h). It stands
 * alone as a function of calls, outcomes and times, so that every step of the
 * table and every threshold is held by a test. Nothing here fails; an event
 * that a state cannot have is a bug and asserts.
 */
#include "node/handlers/breaker.h"

#include <assert.h>

/* While all probes are out nothing is known: a part of the open time, so that what waits is not
 * thrown back and forth. */
#define PROBES_OUT_SHARE 4
#define PROBES_OUT_MIN_NS INT64_C(1000000000)

int breaker_next(enum breaker_state from, enum breaker_event event)
{
	static const int table[][4] = {
		/*                      TRIPPED             RESTED              PROVED FAILED_AGAIN */
		[BREAKER_CLOSED] = {BREAKER_OPEN, BREAKER_IMPOSSIBLE, BREAKER_IMPOSSIBLE,
							BREAKER_IMPOSSIBLE},
		[BREAKER_OPEN] = {BREAKER_IMPOSSIBLE, BREAKER_HALF_OPEN, BREAKER_IMPOSSIBLE,
						  BREAKER_IMPOSSIBLE},
		[BREAKER_HALF_OPEN] = {BREAKER_IMPOSSIBLE, BREAKER_IMPOSSIBLE, BREAKER_CLOSED,
							   BREAKER_OPEN},
	};

	return table[from][event];
}

const char *breaker_state_name(enum breaker_state s)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return names[s];
}

void breaker_init(struct breaker *b, const struct breaker_config *config)
{
	*b = (struct breaker){.config = *config};
}

static void step(struct breaker *b, enum breaker_event event, int64_t now_ns)
{
	int next = breaker_next(b->state, event);

	assert(next != BREAKER_IMPOSSIBLE);
	b->state = (enum breaker_state)next;
	b->phase++;
	b->failures_in_a_row = 0;
	b->probing = b->proved = 0;
	memset(b->slices, 0, sizeof(b->slices));
	if (b->state == BREAKER_OPEN)
		b->opened_ns = now_ns;
}

/* ---- what is counted while it is closed ---- */

static int64_t slice_number(const struct breaker *b, int64_t now_ns)
{
	/* From 1, so that an untouched slice (0) is never the present one. */
	return now_ns / MAX_OF(b->config.window_ns / BREAKER_SLICES, 1) + 1;
}

static void count(struct breaker *b, int64_t now_ns, bool failed)
{
	int64_t number = slice_number(b, now_ns);
	struct breaker_slice *s = &b->slices[number % BREAKER_SLICES];

	if (s->number != number)
		*s = (struct breaker_slice){.number = number};
	s->calls++;
	s->failed += failed;
	b->failures_in_a_row = failed ? b->failures_in_a_row + 1 : 0;
}

static bool too_many(const struct breaker *b, int64_t now_ns)
{
	int64_t number = slice_number(b, now_ns), calls = 0, failed = 0;
	const struct breaker_config *c = &b->config;

	if (c->failures && b->failures_in_a_row >= c->failures)
		return true;
	for (size_t i = 0; i < BREAKER_SLICES; i++) {
		if (b->slices[i].number > number - BREAKER_SLICES) {
			calls += b->slices[i].calls;
			failed += b->slices[i].failed;
		}
	}
	return c->percent && calls > 0 && calls >= c->calls && failed * 100 >= calls * c->percent;
}

/* ---- asked and told ---- */

static bool admit_probe(struct breaker *b, unsigned *ret_ticket, int64_t *ret_wait_ns)
{
	if (b->probing + b->proved >= b->config.probes) {
		*ret_wait_ns = MAX_OF(b->config.open_ns / PROBES_OUT_SHARE, PROBES_OUT_MIN_NS);
		return false;
	}
	b->probing++;
	*ret_ticket = b->phase;
	return true;
}

bool breaker_admit(struct breaker *b, int64_t now_ns, unsigned *ret_ticket, int64_t *ret_wait_ns)
{
	int64_t rest_ns = b->opened_ns + b->config.open_ns - now_ns;

	switch (b->state) {
	case BREAKER_CLOSED:
		*ret_ticket = b->phase;
		return true;
	case BREAKER_OPEN:
		if (rest_ns > 0) {
			*ret_wait_ns = rest_ns;
			return false;
		}
		step(b, BREAKER_RESTED, now_ns);
		return admit_probe(b, ret_ticket, ret_wait_ns);
	case BREAKER_HALF_OPEN:
		return admit_probe(b, ret_ticket, ret_wait_ns);
	}
	return false;
}

static bool report_probe(struct breaker *b, int64_t now_ns, enum breaker_outcome how)
{
	b->probing--;
	switch (how) {
	case BREAKER_UNKNOWN:
		return false;
	case BREAKER_FAILED:
		step(b, BREAKER_FAILED_AGAIN, now_ns);
		return true;
	case BREAKER_OK:
		if (++b->proved < b->config.probes)
			return false;
		step(b, BREAKER_PROVED, now_ns);
		return true;
	}
	return false;
}

bool breaker_report(struct breaker *b, int64_t now_ns, unsigned ticket, enum breaker_outcome how)
{
	if (ticket != b->phase)
		return false;
	if (b->state == BREAKER_HALF_OPEN)
		return report_probe(b, now_ns, how);
	if (how == BREAKER_UNKNOWN)
		return false;
	count(b, now_ns, how == BREAKER_FAILED);
	if (!too_many(b, now_ns))
		return false;
	step(b, BREAKER_TRIPPED, now_ns);
	return true;
}
