/* Healing as this scaler has it: what it may ask of the pools. */
#pragma once

#include "scaler/heal.h"
#include "scaler/scaler.h"

/* Makes s->heal; its roster and bus are there already. */
MUST_CHECK int healing_open(struct scaler *s, struct err *e);
