/*
 * Level and trend of a rate. The samples of a scaler are not equally far
 * apart (a broker that was away leaves a gap), so that the smoothing is told
 * in seconds: a sample that stands for dt seconds weighs 1 - exp(-dt / tau).
 * After a gap much longer than tau the old level counts for nothing and the
 * trend is the slope over the gap. A sample that comes with no time passed,
 * or is no number, is left out: a rate over no time says nothing.
 *
 * A smoothed rate is late at a step, and its trend then overshoots. So two
 * samples in a row that are both far above (or below) what chance allows, for
 * arrivals that know nothing of each other, are the new level; so is a single one
 * that stands for a long time. Else a single one may be a burst, and is left out
 * while nobody knows.
 */
#include "scaler/forecast.h"

#include <math.h>

/* A step in the load is seen by two thirds after LEVEL_TAU_S, and Poisson noise is damped to 1 / sqrt(2 * LEVEL_TAU_S). */
#define LEVEL_TAU_S 4.0
/* Longer: a trend is multiplied by how far one looks ahead, and its noise with it. */
#define TREND_TAU_S 12.0
/* Standard deviations of a Poisson count, and tasks beyond them (of few tasks the deviations say little). */
#define SURPRISE_SIGMAS 4.0
#define SURPRISE_TASKS 4.0

/* 1: more than chance brings, -1: less. */
static int surprising(double expected, double seen)
{
	double most = SURPRISE_SIGMAS * sqrt(expected) + SURPRISE_TASKS;

	return seen > expected + most ? 1 : seen < expected - most ? -1 : 0;
}

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
	int surprised = surprising(MAX_OF(before + f->trend * dt, 0) * dt, rate * dt);

	f->at_s = now_s;
	if (f->samples < UINT32_MAX)
		f->samples++;
	if (surprised && (surprised == f->surprised || dt >= LEVEL_TAU_S)) {
		f->level = dt >= LEVEL_TAU_S ? rate : (f->surprise + rate) / 2;
		f->trend = 0;
		f->surprised = 0;
		return;
	}
	f->surprised = surprised;
	f->surprise = rate;
	if (surprised)
		return;

	f->level = alpha * rate + (1 - alpha) * (before + f->trend * dt);
	if (f->level < 0)
		f->level = 0;
	f->trend = beta * (f->level - before) / dt + (1 - beta) * f->trend;
}

double forecast_at(const struct forecast *f, double ahead_s)
{
	double rate = f->level + f->trend * ahead_s;

	return rate > 0 ? rate : 0;
}
