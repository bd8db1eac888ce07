/*
 * Onto its lane: where a submission goes next, and the publish that puts it
 * there. Every function takes the transit in hand: it is recorded, delayed,
 * buried or waiting afterwards.
 */
#pragma once

#include "router/transit.h"

/* By its due time, its expiry and its lane. */
void dispatch_task(struct transit *t);
/* The lane is READY: onto it, or to the node that place.h chooses. */
void dispatch_to_lane(struct transit *t);
/* Onto it, for whoever pulls. */
void dispatch_pull(struct transit *t);
/* The lane takes nothing now: to DELAYED, for longer each time. */
void dispatch_defer(struct transit *t);
