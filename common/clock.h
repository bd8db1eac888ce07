/*
 * Time as numbers. Wall time is int64_t nanoseconds since 1970 (UTC), fit
 * for records; local waiting uses the monotonic clock in milliseconds.
 * Durations in text are Go's ("1m30s", "200ms", "2.5s", "0") plus "d".
 */
#pragma once

#include "common/err.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

int64_t clock_wall_ns(void);
int64_t clock_mono_ns(void);
int64_t clock_mono_ms(void);

/* A bare number is taken as seconds. Negative, empty or over 100 years: ERR_INVALID. */
MUST_CHECK int duration_parse(const char *text, int64_t *ret_ns, struct err *e);
/* The shortest such text that parses back: "1m30s", "200ms". */
void duration_format(int64_t ns, char out[32]);

/* RFC 3339, any zone offset, up to nanoseconds. */
MUST_CHECK int time_parse(const char *text, int64_t *ret_wall_ns, struct err *e);
/* RFC 3339 in UTC with six digits of fraction: "2026-01-02T03:04:05.678901Z". */
void time_format(int64_t wall_ns, char out[32]);
