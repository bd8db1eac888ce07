/* TASKS: what is submitted, taken as far as there is room. */
#pragma once

#include "router/router.h"

MUST_CHECK int inbox_open(struct router *r, struct inbox **ret, struct err *e);
void inbox_poke(struct inbox *in);
void inbox_free(struct inbox **in);

/* How many more tasks may be in flight now; for inbox and act. */
unsigned inbox_room(const struct router *r);
