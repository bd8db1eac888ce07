/*
 * The stages of a canary and their judgement. It stands alone so that what
 * stops a replay can be read and tested as a table. One return of the failure
 * is enough: it was cured, or it was not. Other deaths stop it only where they
 * are the rule, for among many tasks some always fail.
 */
#include "cli/canary.h"

uint64_t canary_size(enum canary_stage stage, uint64_t total)
{
	uint64_t one = MIN_OF(total, (uint64_t)1);
	/* A tenth of all, the first one included. */
	uint64_t tenth = MIN_OF(MAX_OF(total / 10 + (total % 10 != 0), one), total);

	switch (stage) {
	case CANARY_ONE:
		return one;
	case CANARY_TENTH:
		return tenth - one;
	case CANARY_REST:
		return total - tenth;
	case CANARY_STAGES:
		break;
	}
	return 0;
}

const char *canary_name(enum canary_stage stage)
{
	switch (stage) {
	case CANARY_ONE:
		return "1 task";
	case CANARY_TENTH:
		return "10 %";
	case CANARY_REST:
		return "the rest";
	case CANARY_STAGES:
		break;
	}
	return "";
}

enum canary_verdict canary_judge(const struct canary_tally *t)
{
	uint64_t ended = t->completed + t->same + t->other;

	if (t->same > 0)
		return CANARY_STOP_SAME;
	if (ended < t->replayed)
		return CANARY_WAIT;
	return t->other > t->completed ? CANARY_STOP_OTHER : CANARY_GO;
}
