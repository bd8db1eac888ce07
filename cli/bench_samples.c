/* Exact percentiles of a run. Memory is the only limit: 4 bytes a sample. */
#include "cli/bench_samples.h"

#include <math.h>

void samples_add(struct samples *s, int64_t ns)
{
	int64_t us = ns / 1000;

	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4096;
		s->us = xreallocarray(s->us, s->cap, sizeof(*s->us));
	}
	s->us[s->n++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	s->sorted = false;
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

double samples_ms(struct samples *s, double fraction)
{
	size_t rank;

	if (s->n == 0)
		return NAN;
	if (!s->sorted)
		qsort(s->us, s->n, sizeof(*s->us), compare);
	s->sorted = true;
	rank = (size_t)ceil(fraction * (double)s->n);
	return s->us[rank > 0 ? rank - 1 : 0] / 1000.0;
}

void samples_release(struct samples *s)
{
	free(s->us);
	*s = (struct samples){0};
}
