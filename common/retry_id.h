/*
 * How the next try of a finished task is called: "<base>.r<n>". Pure. The next
 * of "order-42" is "order-42.r1", of that one "order-42.r2". Whoever asks, and
 * however often, the same task's next try has the same id: that is what makes
 * asking twice harmless.
 */
#pragma once

#include "common/token.h"

/*
 * id: one that task_id_ok accepts. Where base and suffix together are longer than an id may be,
 * the base is "h" and 32 hex digits of its SHA-256.
 */
void retry_id_next(const char *id, char out[TASK_ID_MAX + 1]);
