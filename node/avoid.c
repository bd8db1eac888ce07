/*
 * Whether to leave a retry to others. It stands alone as a rule that must
 * never become a livelock: the broker's delivery count bounds it, so it holds
 * whoever hands back, in however many processes. The first wait is short, for
 * an idle node elsewhere takes it at once; the last ones give a busy one time to
 * become free. The count is the same that stops a task which kills its nodes
 * (RUN_DELIVERIES_MAX), and leaves it more than half.
 */
#include "node/avoid.h"

#include "common/task.h"

bool avoid_hands_back(const char *list, const char *node, uint64_t delivered, int64_t *ret_delay_ms)
{
	static const int64_t delay_ms[AVOID_HAND_BACKS] = {100, 300, 1000, 2000};

	if (!list || delivered < 1 || delivered > AVOID_HAND_BACKS || !names_have(list, node))
		return false;
	*ret_delay_ms = delay_ms[delivered - 1];
	return true;
}
