/*
 * Healing events on their way into EVENTS. While the broker is away, or the
 * stream is full, they wait here: that is how a broker's own restart gets
 * into the history.
 */
#pragma once

#include "common/bus.h"
#include "proto/scale.pb-c.h"

struct heal_journal;
struct heal_journal *heal_journal_new(struct bus *bus);
/* Over HEAL_JOURNAL_MAX that wait the oldest is dropped, and that is logged. */
#define HEAL_JOURNAL_MAX 1000u
void heal_journal_add(struct heal_journal *j, const Millrace__HealEvent *event);
size_t heal_journal_waiting(const struct heal_journal *j);
void heal_journal_stop(struct heal_journal *j);  /* before bus_close */
void heal_journal_free(struct heal_journal **j); /* after it; NULL is fine */
