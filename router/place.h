/*
 * Where a task runs: on its lane, for whoever pulls next, or on a node that
 * the router chooses by the task's own words (placement.h) and the lane's rule.
 */
#pragma once

#include "router/balance.h"
#include "router/transit.h"

struct lane_nodes; /* a lane's nodes, as last looked at */
void lane_nodes_free(struct lane_nodes **ns);

struct place *place_new(struct router *r);
void place_free(struct place **p);

/* Whether the router has a say in it at all. */
bool place_wanted(const struct transit *t);
/* Takes the transit in hand; its lane is READY. */
void place_task(struct transit *t);
/* For direct.c: DIRECT does not take it, or its durable can't be made. Takes the transit in hand. */
void place_refused(struct transit *t, const struct err *e);
