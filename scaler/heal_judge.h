/*
 * When an illness is acted on: it must hold for some looks, an act is not
 * repeated within a cooldown, and what was ill and is well again is told once.
 * Pure but for memory; time comes in.
 */
#pragma once

#include <uthash.h>

#include "scaler/heal_check.h"

struct heal_case;
struct heal_judge {
	struct heal_case *cases; /* at most HEAL_CASES_MAX; over it an illness is not acted on */
	unsigned looks;          /* in a row, before an act; and before it counts as well */
	int64_t cooldown_ms;     /* between two acts of one kind about one case */
};
#define HEAL_CASES_MAX 4096u

/* One act to be done; HEAL_NONE: it is well again. f is borrowed for the call. */
typedef void (*heal_on_verdict)(void *data, const struct heal_finding *f, enum heal_action a);

/*
 * One look at the kinds given (HEAL_BIT): what is not among the findings is well. Acts come in the order of
 * enum heal_action, alert last: it tells what the others were asked for.
 * at_once: a manual one, which waits for nothing.
 */
void heal_judge_look(struct heal_judge *j, unsigned kinds, const struct heal_finding *f, size_t n,
					 int64_t now_mono_ms, bool at_once, heal_on_verdict on_verdict, void *data);
size_t heal_judge_cases(const struct heal_judge *j);
void heal_judge_release(struct heal_judge *j);
