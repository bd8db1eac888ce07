/* Asking all components, again and again, without waiting for any of them. */
#pragma once

#include "cli/cli.h"
#include "cli/top_snapshot.h"

struct top_ask;

struct top_ask *top_ask_new(struct cli *c);
/* Asks everything that is not being asked still. groups: the dead letters, too. */
void top_ask_round(struct top_ask *a, bool groups);
/* All that will come of the round has come: counters are taken. */
void top_ask_take(struct top_ask *a);
/* What was told last. Returns owned. */
json_t *top_ask_snapshot(const struct top_ask *a);
void top_ask_free(struct top_ask *a);
