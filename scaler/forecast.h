/*
 * What is coming: a rate, smoothed, with its trend. Pure. Holt's linear
 * method (C. C. Holt 1957; Hyndman & Athanasopoulos, Forecasting: Principles
 * and Practice, 8.2) on samples that need not be equally far apart, which
 * follows a step at once, and doesn't take it for a trend.
 */
#pragma once

#include "common/base.h"

struct forecast {
	double level;        /* per second */
	double trend;        /* per second and second */
	double at_s;         /* of the last sample */
	unsigned samples;
	double surprise;     /* the last sample, where it was too far off for chance */
	int surprised;       /* 1: it was too high; -1: too low; 0: it was not */
};

/* rate: per second, seen since the last sample; now_s monotonic and growing. */
void forecast_add(struct forecast *f, double now_s, double rate);
/* Expected ahead_s after the last sample; never negative. */
double forecast_at(const struct forecast *f, double ahead_s);
