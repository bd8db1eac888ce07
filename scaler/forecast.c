/*
 * Level and trend of a rate. The samples of a scaler are not equally far
 * apart (a broker that was away leaves a gap), so that the smoothing is told
 * in seconds: a sample that stands for dt seconds weighs 1 - exp(-dt / tau).
 * After a gap much longer than tau the old level counts for nothing and the
 * trend is the slope over the gap. A sample that comes with no time passed,
 * or is no number, is left out: a rate over no time says nothing.
 */
#include "scaler/forecast.h"

#include <math.h>

/* A step in the load is seen by two thirds after LEVEL_TAU_S, and Poisson noise is damped to 1 / sqrt(2 * LEVEL_TAU_S). */
#define LEVEL_TAU_S 4.0
/* Longer: a trend is multiplied by how far one looks ahead, and its noise with it. */
#define TREND_TAU_S 12.0

void forecast_add(struct forecast *f, double now_s, double rate)
{
	double dt = now_s - f->at_s;

	if (!isfinite(rate) || !isfinite(now_s))
		return;
	if (rate < 0)
		rate = 0;
	if (f->samples == 0) {
		*f = (struct forecast){.level = rate, .at_s = now_s, .samples = 1};
		return;
	}
	if (dt <= 0)
		return;

	double alpha = 1 - exp(-dt / LEVEL_TAU_S), beta = 1 - exp(-dt / TREND_TAU_S);
	double before = f->level;

	f->level = alpha * rate + (1 - alpha) * (before + f->trend * dt);
	if (f->level < 0)
		f->level = 0;
	f->trend = beta * (f->level - before) / dt + (1 - beta) * f->trend;
	f->at_s = now_s;
	if (f->samples < UINT32_MAX)
		f->samples++;
}

double forecast_at(const struct forecast *f, double ahead_s)
{
	double rate = f->level + f->trend * ahead_s;

	return rate > 0 ? rate : 0;
}
