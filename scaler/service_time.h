/*
 * How long tasks take, by pool: what nodes tell of the handler time and the ends of all their tasks, from one status to
 * the next, with what is older counting less.
 */
#pragma once

#include "scaler/scaler.h"

/* A node's status came, or it left. */
void service_time_hear(struct scaler *s, const struct node_entry *n, bool left);
/* Every tick: what is old counts less (half after some 30 s), down to a little, so that an idle pool remembers. */
void service_time_fade(struct scaler *s);
void service_time_free(void);
