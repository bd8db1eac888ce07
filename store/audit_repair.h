/* Gives up tasks that have no message: each becomes a dead letter, by the router's hand. */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "store/audit_look.h"

struct audit_repair {
	struct bus *bus;
	struct pg *pg;
	uint64_t repaired;
	/* private: */
	const char **ids; /* borrowed */
	size_t n, next, publishing;
	struct err failed;
	void (*on_repaired)(void *data, const struct err *e);
	void *data;
};

/*
 * ids: borrowed until on_repaired, which comes once; e says why not all of them were (the next pass
 * finds the others again). r->repaired: how many.
 */
MUST_CHECK int audit_repair_begin(struct audit_repair *r, const char **ids, size_t n,
								  void (*on_repaired)(void *data, const struct err *e), void *data,
								  struct err *e);
