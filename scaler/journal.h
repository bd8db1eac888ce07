/*
 * What was decided and done, with its reason: on `events.scale`, for the store's history and whoever listens, and in the log.
 * Events that can't be published yet (the broker is away, EVENTS is full) wait, at most JOURNAL_MAX; what comes then is in the log alone.
 */
#pragma once

#include "common/bus.h"
#include "proto/scale.pb-c.h"

#define JOURNAL_MAX 1000

struct journal;
struct journal *journal_new(struct bus *bus, const char *scaler);
/* Fills id, at, epoch and scaler; e is borrowed. */
void journal_write(struct journal *j, uint64_t epoch, Millrace__ScaleEvent *e);
/* With a sentence. pool, node, agent: NULL for none. */
void journal_note(struct journal *j, uint64_t epoch, const char *action, const char *pool,
				  const char *node, const char *agent, const char *fmt, ...) PRINTF_LIKE(7, 8);
void journal_free(struct journal **j);
