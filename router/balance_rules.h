/* How a lane's tasks are balanced where they don't say: "echo=round-robin,resize--gpu=weighted".
 * Pure. */
#pragma once

#include "common/placement.h"

struct balance_rules; /* NULL is fine everywhere: pull */

/* by_default: one strategy; list: NULL-able, of types and lanes. */
MUST_CHECK int balance_rules_read(const char *by_default, const char *list,
								  struct balance_rules **ret, struct err *e);
void balance_rules_free(struct balance_rules **r);
/* The lane's own rule, else its type's, else the default. */
enum balance balance_rules_of(const struct balance_rules *r, const struct lane *lane);
