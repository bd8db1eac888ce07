/* Task-Unique: whether a task may run, by the store's word. */
#pragma once

#include "router/transit.h"

/*
 * Where it has a unique key that is not known to be its own yet: asks the store, and returns true:
 * the transit goes on to its lane, to DELAYED or to its end by itself.
 */
bool unique_ask(struct transit *t);
