/*
 * Whether to leave a retry to others. It stands alone as a rule that must
 * never become a livelock: the broker's delivery count bounds it, so it holds
 * whoever hands back, in however many processes. Every other time it goes back
 * at once: our request is then the last in the broker's queue or not renewed
 * yet, so an idle node elsewhere is next. The waits between give busy ones time
 * to become free. With waits alone two retries that avoid each other's node keep
 * step: each delivery moves the other's node behind its own again, to the end. The
 * count is the same that stops a task which kills its nodes (RUN_DELIVERIES_MAX),
 * and leaves it more than half.
 */
#include "node/avoid.h"

#include "common/task.h"

bool avoid_hands_back(const char *list, const char *node, uint64_t delivered, int64_t *ret_delay_ms)
{
	static const int64_t delay_ms[AVOID_HAND_BACKS] = {0, 400, 0, 3000};

	if (!list || delivered < 1 || delivered > AVOID_HAND_BACKS || !names_have(list, node))
		return false;
	*ret_delay_ms = delay_ms[delivered - 1];
	return true;
}
