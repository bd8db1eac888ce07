/*
 * The node's counters of what it holds, apart so that the rule "never ask
 * for more than can be begun" is one function that a test can hold to it.
 * Nothing here fails; numbers never go below zero.
 */
#include "node/slots.h"

static void lower(unsigned *n, unsigned by)
{
	*n -= MIN_OF(*n, by);
}

static void lower_bytes(size_t *n, size_t by)
{
	*n -= MIN_OF(*n, by);
}

unsigned slots_free(const struct slots *s)
{
	unsigned busy = s->asked + s->running;
	unsigned by_slots = s->total > busy ? s->total - busy : 0;
	unsigned most = s->total + SLOTS_UNSETTLED_MAX;
	unsigned by_outcomes = most > busy + s->unsettled ? most - busy - s->unsettled : 0;

	return MIN_OF(by_slots, by_outcomes);
}

size_t slots_bytes_free(const struct slots *s)
{
	size_t used = s->bytes_held + s->bytes_asked;

	return s->bytes_max > used ? s->bytes_max - used : 0;
}

bool slots_idle(const struct slots *s)
{
	return !s->asked && !s->running && !s->unsettled;
}

void slots_ask(struct slots *s, unsigned credits, size_t max_bytes)
{
	s->asked += credits;
	s->bytes_asked += max_bytes;
}

void slots_ask_ended(struct slots *s, unsigned credits_left, size_t max_bytes)
{
	lower(&s->asked, credits_left);
	lower_bytes(&s->bytes_asked, max_bytes);
}

void slots_begin(struct slots *s, bool credited, size_t body_bytes)
{
	if (credited)
		lower(&s->asked, 1);
	s->running++;
	s->bytes_held += body_bytes;
}

void slots_decline(struct slots *s, bool credited)
{
	if (credited)
		lower(&s->asked, 1);
}

void slots_finish(struct slots *s, size_t result_bytes)
{
	lower(&s->running, 1);
	s->unsettled++;
	s->bytes_held += result_bytes;
}

void slots_hold(struct slots *s, size_t bytes)
{
	s->bytes_held += bytes;
}

void slots_forget_result(struct slots *s, size_t result_bytes)
{
	lower_bytes(&s->bytes_held, result_bytes);
}

void slots_settle(struct slots *s, size_t body_and_result_bytes)
{
	lower(&s->unsettled, 1);
	lower_bytes(&s->bytes_held, body_and_result_bytes);
}
