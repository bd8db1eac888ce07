/*
 * Inside the policy: how many nodes a view asks for, and which of the rules
 * asks for the most. Pure.
 */
#pragma once

#include "scaler/policy.h"

struct policy_need {
	unsigned nodes;
	enum policy_reason reason; /* WAIT, BACKLOG, FULL or FORECAST */
	double busy;   /* slots expected to be in use when a node that is started now is ready */
	bool unserved; /* tasks wait beside free slots: more of these would not help */
};

/* margin: the rates and what is in use are taken for so many times what they are (1: as seen). */
struct policy_need policy_need_of(const struct policy_rule *r, const struct policy_view *v,
								  const struct policy_memory *m, double margin);
/* Whether the slots of the ready nodes are in use up to the rule's share. False where none is ready. */
bool policy_busy(const struct policy_rule *r, const struct policy_view *v);
/* Nothing runs, nothing waits, and less than a task is expected within idle_s. */
bool policy_idle(const struct policy_rule *r, const struct policy_view *v);
