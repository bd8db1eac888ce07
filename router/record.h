/*
 * What happened, for the store: events.queued when a lane or DELAYED has a
 * task, events.done when a task is dead. All of one turn of the loop goes in
 * one message; its PubAck settles the tasks in it (transit_done).
 */
#pragma once

#include "router/transit.h"

struct record *record_new(struct router *r);
void record_free(struct record **r);
/* Its lane has it: state QUEUED. */
void record_queued(struct record *r, struct transit *t);
/* DELAYED has it until sub.due_wall_ns: state SCHEDULED. */
void record_scheduled(struct record *r, struct transit *t);
/* DEAD has it, or it was called off, for t->burial: state DEAD or CANCELLED. */
void record_dead(struct record *r, struct transit *t);
/* Nobody shall run it, for t->burial: state CANCELLED. Its lane's message is acked afterwards. */
void record_cancelled(struct record *r, struct transit *t);
