/*
 * What was decided and done, with its reason: on `events.scale` (by an outbox), for the store's history and whoever listens, and
 * in the log.
 */
#pragma once

#include "common/bus.h"
#include "proto/scale.pb-c.h"

struct journal;
struct journal *journal_new(struct bus *bus, const char *scaler);
/* Fills id, at, epoch and scaler; e is borrowed. */
void journal_write(struct journal *j, uint64_t epoch, Millrace__ScaleEvent *e);
/* With a sentence. pool, node, agent: NULL for none. */
void journal_note(struct journal *j, uint64_t epoch, const char *action, const char *pool,
				  const char *node, const char *agent, const char *fmt, ...) PRINTF_LIKE(7, 8);
void journal_stop(struct journal *j);   /* before bus_close */
void journal_free(struct journal **j);
