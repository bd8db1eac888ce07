/*
 * What the system put into the object store for tasks (bodies of `submit`,
 * results of nodes) and nobody needs any more.
 */
#pragma once

#include "common/bus.h"
#include "common/pg.h"

struct objects;

/* keep_ns: how long after their task's end, and after they were put, they stay; 0: for ever. */
struct objects *objects_open(struct bus *bus, struct pg *pg, int64_t keep_ns);
/* After pg_close, before bus_close. NULL is fine. */
void objects_close(struct objects **o);
