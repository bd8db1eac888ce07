/* A result that is too large for a message goes to the object store before it is reported. */
#pragma once

#include "node/run.h"

/* Headers, and what else an outcome says, beside the result itself. */
#define RESULT_ROOM_BYTES ((size_t)64 * 1024)

/* Whether r's result does not fit into a message. */
bool result_object_wanted(const struct run *r);
/* Puts it, and then reports it: as a success that names the object, or as the failure it became. */
void result_object_put(struct run *r);
/* Forgets a put that is under way. */
void result_object_cancel(struct run *r);
