/* A finding and what was done about it, as the record that goes into the history. */
#pragma once

#include "proto/scale.pb-c.h"
#include "scaler/heal_check.h"

/* Everything of it that does not depend on an act's end. Borrowed. */
struct heal_told {
	uint64_t epoch, number; /* the id: <epoch>.<number> */
	int64_t at_wall_ns;
	const char *scaler, *by;
	const char *host;                   /* where the finding names none */
	const struct heal_finding *finding; /* NULL: of a manual run as a whole */
	enum heal_action action;
};
/* Returns owned; codec_free(&x->base). */
Millrace__HealEvent *heal_event_make(const struct heal_told *t, const char *result,
									 const char *reason, int64_t took_ms);
Millrace__HealEvent *heal_event_copy(const Millrace__HealEvent *e);
