/* What ctl.metrics tells of pools: millrace_pool_* by pool, millrace_scaler_*. */
#pragma once

#include "scaler/scaler.h"

/* Every tick. A follower's gauges of pools are what it sees, its target is absent (-1). */
void metrics_update(struct scaler *s, bool leading);
