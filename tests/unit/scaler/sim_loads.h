/* The scenarios: what comes, when, for how long. */
#pragma once

#include "tests/unit/scaler/pool_sim.h"

extern const struct policy_rule sim_rule; /* sim_rule_of() says where another holds */

enum sim_load_id {
	LOAD_STEP,    /* 0 to 500 tasks/s of 200 ms and back */
	LOAD_RAMP,    /* up to there in four minutes and down again */
	LOAD_BURSTS,  /* 5/s, and every two minutes 600 at once */
	LOAD_WAVE,    /* a day */
	LOAD_FLAP,    /* on for 20 s, off for 20 s */
	LOAD_LONG,    /* tasks of a minute */
	LOAD_TIGHT,   /* a tenth of a second to wait, on nodes of two slots */
	LOAD_MIXED,   /* most are short, some are long */
	LOAD_SLOWER,  /* handlers become three times slower */
	LOAD_HANGING, /* handlers that never end */
	LOAD_IGNORED, /* tasks that no node takes */
	LOAD_COLD,    /* from no node at all, and back */
	LOADS
};
extern const struct sim_load sim_loads[LOADS];
struct policy_rule sim_rule_of(enum sim_load_id id);
