/* What the simulator found, as text. Owned by the caller. */
#pragma once

#include "tests/unit/scaler/sim_loads.h"

char *sim_table(void);
char *sim_csv(enum sim_load_id id);
