/* ADVISORIES: what the broker gave up on, said and counted. */
#pragma once

#include "router/router.h"

MUST_CHECK int advisories_open(struct router *r, struct advisories **ret, struct err *e);
void advisories_poke(struct advisories *a);
void advisories_free(struct advisories **a);
