/* Ids for tasks: a ULID in lower case, 26 characters, sorted by time, monotonic within the process. */
#pragma once

#include "common/base.h"

#define ULID_LEN 26
/* Pure. */
void ulid_make(int64_t wall_ms, const uint8_t random[10], char ret[ULID_LEN + 1]);
void ulid_new(char ret[ULID_LEN + 1]);
