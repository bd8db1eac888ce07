/*
 * Descriptive statistics. Alone, and free of any input format, so that the
 * formulas (named with their sources in stats.h) can be read and tested by
 * themselves. It cannot fail: finite numbers give numbers; an overflow is
 * seen in the result as an infinity or NaN.
 */
#include "node/handlers/stats.h"

#include <math.h>

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double sum_of(const double *v, size_t n)
{
	double sum = 0, lost = 0;
	for (size_t i = 0; i < n; i++) {
		double t = sum + v[i];
		lost += fabs(sum) >= fabs(v[i]) ? (sum - t) + v[i] : (v[i] - t) + sum;
		sum = t;
	}
	return isfinite(sum) ? sum + lost : sum;
}

/* Huge numbers may overflow the sum and yet have a mean. */
static double mean_of(const double *v, size_t n, double sum)
{
	if (isfinite(sum)) {
		return sum / (double)n;
	}
	double mean = 0;
	for (size_t i = 0; i < n; i++) {
		mean += v[i] / (double)n;
	}
	return mean;
}

static double stddev_of(const double *v, size_t n, double mean)
{
	if (n < 2) {
		return NAN;
	}
	double squares = 0, rest = 0;
	for (size_t i = 0; i < n; i++) {
		double d = v[i] - mean;
		squares += d * d;
		rest += d;
	}
	return sqrt((squares - rest * rest / (double)n) / (double)(n - 1));
}

double stats_quantile(const double *sorted, size_t n, double p)
{
	double h = (double)(n - 1) * p;
	size_t below = (size_t)h;
	if (below + 1 >= n) {
		return sorted[n - 1];
	}
	double part = h - (double)below;
	/* Not a + (b - a) * part: the difference of two huge numbers may overflow. */
	return sorted[below] * (1 - part) + sorted[below + 1] * part;
}

void stats_of(const double *values, size_t n, double *sorted, struct stats *ret)
{
	memcpy(sorted, values, n * sizeof *values);
	qsort(sorted, n, sizeof *sorted, compare);
	ret->count = n;
	ret->sum = sum_of(values, n);
	ret->mean = mean_of(values, n, ret->sum);
	ret->stddev = stddev_of(values, n, ret->mean);
	ret->min = sorted[0];
	ret->max = sorted[n - 1];
	ret->median = stats_quantile(sorted, n, 0.5);
	ret->p5 = stats_quantile(sorted, n, 0.05);
	ret->p25 = stats_quantile(sorted, n, 0.25);
	ret->p75 = stats_quantile(sorted, n, 0.75);
	ret->p95 = stats_quantile(sorted, n, 0.95);

	double reach = 1.5 * (ret->p75 - ret->p25);
	double low = ret->p25 - reach, high = ret->p75 + reach;
	ret->outliers = 0;
	for (size_t i = 0; i < n; i++) {
		if (values[i] < low || values[i] > high) {
			if (ret->outliers < STATS_OUTLIERS_MAX) {
				ret->outlier[ret->outliers] = values[i];
			}
			ret->outliers++;
		}
	}
}
