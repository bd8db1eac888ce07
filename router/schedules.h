/*
 * The schedules and when they tick. Every router ticks; the bucket's entry,
 * and the ids that follow from name and tick, make one task of each
 * (schedule_tick.h).
 */
#pragma once

#include "router/schedule_tick.h"

struct schedules;

struct schedules *schedules_new(struct router *r);
MUST_CHECK int schedules_watch(struct schedules *ss, struct err *e);
/* The inbox is open: ticks from now on. */
void schedules_begin(struct schedules *ss);
/* Before the bus closes. */
void schedules_stop(struct schedules *ss);
void schedules_free(struct schedules **ss);

struct zones *schedules_zones(struct schedules *ss);
bool schedules_full(const struct schedules *ss); /* as many as schedule.max allows */
/* All of them, sorted by name, bodies left out, next_tick_at and error told: shallow copies that
 * stand until the next turn. The array is the caller's to free. */
Millrace__Schedule *schedules_list(struct schedules *ss, size_t *ret_n);
/* Fills what answers have beside the record: next_tick_at, and error (into why). */
void schedules_describe(struct schedules *ss, Millrace__Schedule *s, int64_t stored_wall_ns,
						struct err *why);
