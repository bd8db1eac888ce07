/* The error object of a JetStream answer, translated at this one place. */
#pragma once

#include <jansson.h>

#include "common/err.h"

/* error: {"code":503,"err_code":10077,"description":"maximum messages exceeded"}. Returns the err_code. */
int js_error_read(const json_t *error, struct err *ret);
