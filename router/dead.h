/* Dead letters: DEAD has the task, the store knows, and who waits for it is told. */
#pragma once

#include "router/transit.h"

/*
 * Takes the transit in hand: publishes it to dead.<type> (dead._invalid where it has none), records
 * it, and settles. reason: as in H_OUTCOME_REASON, borrowed for the transit's life. The words
 * become Outcome-Error.
 */
void dead_bury(struct transit *t, const char *reason, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* After its record is stored: the notice on results.<type>.<id> and to Task-Reply-To. */
void dead_tell(struct transit *t);
