/* Retry-After of an HTTP answer. Pure. */
#pragma once

#include <stdint.h>

/*
 * The value of Retry-After, seconds or an HTTP date, as time from now. 0: absent (NULL), past, or neither.
 * At most a day.
 */
int64_t http_retry_after_ns(const char *value, int64_t now_wall_ns);
