/*
 * Inside the policy: a decision as a sentence. Pure.
 */
#pragma once

#include "scaler/policy_need.h"

/* Writes d->text from d's target and reason; was: the target before; m: after the decision. */
void policy_say(const struct policy_rule *r, const struct policy_view *v,
				const struct policy_memory *m, const struct policy_need *need, unsigned was,
				struct policy_decision *d);
