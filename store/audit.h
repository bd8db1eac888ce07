/*
 * The conservation audit: accepted = completed + dead + cancelled + queued + running + scheduled,
 * and every one that is not over lies in a stream. Any number of stores may run it; one at a time
 * does.
 */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "store/ingest.h"

struct audit;
struct audit_config {
	int64_t interval_ns;
	int64_t grace_ns;
	bool repair;
	const struct ingest *ingest; /* borrowed: knows whether the schema is there */
};
MUST_CHECK int audit_open(struct bus *bus, struct pg *pg, const struct audit_config *c,
						  struct audit **ret, struct err *e);
void audit_close(struct audit **a); /* after its pg is closed. NULL is fine. */
