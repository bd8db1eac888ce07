/*
 * A canary: what died of one failure is tried again in stages, one task, then
 * a tenth, then the rest, and no further once the failure is back. Pure.
 */
#pragma once

#include "common/base.h"

enum canary_stage { CANARY_ONE, CANARY_TENTH, CANARY_REST, CANARY_STAGES };

/* How many are tried in that stage, of total; 0: the stage is left out. */
uint64_t canary_size(enum canary_stage stage, uint64_t total);
/* "1 task", "10 %", "the rest" */
const char *canary_name(enum canary_stage stage);

/* How the tasks of a stage ended so far. */
struct canary_tally {
	uint64_t replayed;
	uint64_t completed;
	uint64_t same;  /* dead of the failure that they had died of */
	uint64_t other; /* dead of another, or cancelled */
};

enum canary_verdict {
	CANARY_WAIT,       /* some have not ended */
	CANARY_GO,         /* all ended, well enough */
	CANARY_STOP_SAME,  /* the failure is back */
	CANARY_STOP_OTHER, /* more than half of those that ended died of something else */
};
/* A stage that is stopped need not be waited for to its end. */
enum canary_verdict canary_judge(const struct canary_tally *t);
