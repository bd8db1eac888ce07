/* Measured times, all of them kept (4 bytes each), for exact percentiles. */
#pragma once

#include "common/base.h"

struct samples {
	uint32_t *us;
	size_t n, cap;
	bool sorted;
};

/* Over 71 minutes is kept as that. */
void samples_add(struct samples *s, int64_t ns);
/* Milliseconds at fraction 0 … 1 (nearest rank); NaN without samples. Sorts. */
double samples_ms(struct samples *s, double fraction);
void samples_release(struct samples *s);
