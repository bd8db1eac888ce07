/* What lies on DIRECT for a node that is gone or draining: taken off and placed anew. */
#pragma once

#include "router/direct.h"

/* NULL where it can't begin now; the next look tries again. */
struct rescue *rescue_open(struct router *r, struct direct_queue *q);
void rescue_poke(struct rescue *s);
void rescue_close(struct rescue **s);
