/* The figures of a bench as one JSON object, and as lines for people. */
#pragma once

#include "cli/bench_flow.h"

/* tasks, seconds, tasks_per_s, errors (and error: the first one's words). */
void report_rate(json_t *out, const struct flow_result *r, size_t tasks);
/* Adds to errors. */
void report_errors(json_t *out, const struct flow_result *r);
/* <prefix>p50_ms, p95_ms, p99_ms, p999_ms, max_ms. */
void report_latency(json_t *out, const char *prefix, struct samples *s);
/* rows, start_p50_ms, start_p95_ms, start_p99_ms. */
void report_starts(json_t *out, int64_t rows, const double ms[3]);
/* With --json on one line; else a line a figure, with ratios to the bare figures. */
void report_print(const struct cli *c, const json_t *out);
