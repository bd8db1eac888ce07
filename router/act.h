/* events.act: attempts that failed, and tasks that nodes gave back. */
#pragma once

#include "router/router.h"

MUST_CHECK int act_open(struct router *r, struct act **ret, struct err *e);
void act_poke(struct act *a);
void act_free(struct act **a);
