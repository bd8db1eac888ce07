/*
 * Counters, gauges and histograms of one process, rendered as Prometheus
 * text. Names follow the Prometheus rules (base units, _total). Label values
 * are few by rule: lane, type, outcome, node; never a task id. A family holds
 * at most 2,000 label sets; what is beyond is counted under "other".
 * One loop thread only.
 */
#pragma once

#include "common/buf.h"

struct metric; /* one time series; lives as long as the process */

/* labels: "lane=\"echo\",outcome=\"ok\"" ready for the text format, or NULL. The same arguments return the same series. */
struct metric *metric_counter(const char *name, const char *help, const char *labels);
struct metric *metric_gauge(const char *name, const char *help, const char *labels);
/* Buckets are 100 µs to 1000 s in steps of 1-2.5-5, in seconds. */
struct metric *metric_histogram(const char *name, const char *help, const char *labels);

/*
 * A family whose series differ in one label alone, found by its value: for what is counted where
 * every task passes. Values are tokens (no quote, no backslash).
 */
struct metric_by; /* lives as long as the process */
struct metric_by *metric_counter_by(const char *name, const char *help, const char *label);
struct metric *metric_of(struct metric_by *by, const char *value);

/* A counter only grows: less than nothing, or NaN, is ignored. */
void metric_add(struct metric *m, double v);
void metric_set(struct metric *m, double v);
void metric_observe(struct metric *m, double seconds);
/* Of a histogram: how many were observed. */
double metric_value(const struct metric *m);

/* Appends all families; process_resident_memory_bytes, process_cpu_seconds_total and process_open_fds included, process_start_time_seconds, too. */
void metrics_render(struct buf *out);
