/*
 * A task that this node failed before, and that another might take: handed
 * back a few times, then run all the same. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define AVOID_HAND_BACKS 4u

/*
 * list: the task's Task-Avoid-Nodes, or NULL. delivered: 1 for the first delivery. True: hand it
 * back, to be delivered again after *ret_delay_ms; 0: at once, to whoever waits longest.
 */
bool avoid_hands_back(const char *list, const char *node, uint64_t delivered,
					  int64_t *ret_delay_ms);
