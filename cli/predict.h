/* When a task that is about to be submitted should begin, as the scaler sees it. */
#pragma once

#include "cli/cli.h"
#include "cli/draft.h"

/* Asks before it is submitted, so that it does not count itself. Returns owned; NULL: no answer, and that was said. */
json_t *predict_ask(struct cli *c, const struct draft *d);
/* On stderr; NULL is fine. */
void predict_say(const struct cli *c, const json_t *prediction);
