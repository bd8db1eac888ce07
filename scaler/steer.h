/*
 * Brings about what was decided: starts nodes, drains and ends them, follows
 * those that die. Every act is preceded by a look at the lease.
 *
 *	           start                heard of              drain (fewer are wanted)
 *	(nothing) ─────▶ STARTING ─────────────▶ READY ◀──────────────▶ DRAINING ── empty ──▶ STOPPING ─▶ gone
 *	                    │ never heard of       │ died, or lost       (more are wanted: undrain)
 *	                    └──────────────────────┴───────────────────────────────────────────────────▶ gone
 */
#pragma once

#include "scaler/scaler.h"

struct steer;
struct steer *steer_new(struct scaler *s);
/* What there is of each pool: fills view and slots. Whether we lead or not. */
void steer_view(struct steer *st, struct pool *p, double now_s);
/* Towards the pool's decision. Only where we lead. */
void steer_pool(struct steer *st, struct pool *p);
/* Starts one more, where max, nodes.max and the crash loop allow; returns its name (borrowed until the next tick) or NULL. */
const char *steer_start(struct steer *st, struct pool *p, const char *why, struct err *e);
/* Started and not heard of yet. */
bool steer_starting(const struct steer *st, const char *node);
/* One by name, for agents and operators that ask where something may run: alive, and not on its way out. */
bool steer_present(const struct steer *st, const char *node);
unsigned steer_starting_count(const struct steer *st, const struct pool *p);
void steer_each_starting(const struct steer *st, const struct pool *p,
						 void (*each)(void *data, const char *node), void *data);
/* A process that we follow has ended. */
void steer_ended(struct steer *st, const char *node, const char *pool, int64_t lived_ms, const char *how,
				 bool well, bool expected);
/* It was told to stop, and did not fail to answer. */
bool steer_stopping(const struct steer *st, const char *node);
/* It was found running. */
void steer_adopted(struct steer *st, const char *node, const char *pool);
/* Drains one for another reason than too many (consolidation, ill health): it ends when it is empty. */
void steer_drain(struct steer *st, const char *node, const char *why);
/* The same, and it never comes back: another takes its place. Whether a scaler started it; else nothing is done. */
bool steer_bar(struct steer *st, const char *node, const char *why);
void steer_free(struct steer **st);
