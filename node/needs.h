/* What a node needs of the broker before it can begin: the streams and buckets that `millrace
 * setup` makes. */
#pragma once

#include "node/node.h"

#define NEEDS_RETRY_MS 2000

struct needs;

/* Looks until everything is there, saying what is missing, then calls on_met(n), once. */
struct needs *needs_open(struct node *n, void (*on_met)(struct node *n));
/* Looks now; for when the broker is there. */
void needs_look(struct needs *s);
/* Only right before bus_close: an answer may still be under way. */
void needs_close(struct needs **s);
