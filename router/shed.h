/*
 * Load shedding: while TASKS, EVENTS or DELAYED come near their limits, new
 * submissions of low priority are refused, then normal ones, so that high ones
 * still find room. Retries and what was accepted before are never refused.
 */
#pragma once

#include "router/router.h"

/* Of a dead letter that was refused for this, and in seconds when to come again. */
#define SHED_REASON "shed"
#define SHED_RETRY_AFTER_S "10"

struct shed *shed_new(struct router *r);
void shed_free(struct shed **s);
/* Looks now and every second. */
void shed_begin(struct shed *s);
/* NULL: it may come in; else why not. */
const char *shed_why(const struct shed *s, enum task_class class);
