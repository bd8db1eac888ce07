/* Whether the broker has what a router needs, before it takes anything. */
#pragma once

#include "router/router.h"

struct setup *setup_new(struct router *r);
/* After bus_close. NULL is fine. */
void setup_free(struct setup **s);
/* Looks, and looks again until all is there; then router_learned. Says what is missing. At every
 * (re)connect. */
void setup_look(struct setup *s);
/* All was there at the last look. */
bool setup_complete(const struct setup *s);
