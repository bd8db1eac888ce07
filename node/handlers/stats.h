/*
 * Descriptive statistics of a series of numbers. Pure: values in, values out.
 *
 *  mean      sum / n, the sum compensated (Neumaier, "Rundungsfehleranalyse einiger
 *            Verfahren zur Summation endlicher Summen", ZAMM 54, 1974)
 *  stddev    of a sample, divisor n - 1, by two passes with the correction term of
 *            Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance",
 *            The American Statistician 37 (1983), equation 1.7; NaN below two values
 *  quantile  linear between order statistics at h = (n - 1) p: type 7 of Hyndman and Fan,
 *            "Sample Quantiles in Statistical Packages", The American Statistician 50
 *            (1996); R's default, NumPy's "linear", Python's method="inclusive".
 *            The median is the quantile at 1/2.
 *  outliers  below Q1 - 1.5 IQR or above Q3 + 1.5 IQR: Tukey, "Exploratory Data
 *            Analysis" (1977), the inner fences, with the quartiles above
 */
#pragma once

#include "common/base.h"

#define STATS_OUTLIERS_MAX 100

struct stats {
	size_t count;
	double sum, mean, median, min, max, stddev;
	double p5, p25, p75, p95;
	size_t outliers;                          /* how many there are */
	double outlier[STATS_OUTLIERS_MAX];       /* the first of them, in the input's order */
};

/*
 * values: n > 0 finite numbers; sorted: scratch space for n numbers, which ends up holding them in order.
 * What overflows a double comes out as an infinity or NaN.
 */
void stats_of(const double *values, size_t n, double *sorted, struct stats *ret);

/* p in [0, 1]; n > 0 numbers in ascending order. */
double stats_quantile(const double *sorted, size_t n, double p);
