/*
 * "Retry-After: 30s" as a program's last word on stderr: when another try is
 * worth it, or that it never is. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * True: line says it ("Retry-After:" in any case, then a duration, a number of seconds, or
 * "never"). ret_never: never; else *ret_ns. False leaves both as they were.
 */
bool retry_after_read(const char *line, int64_t *ret_ns, bool *ret_never);
