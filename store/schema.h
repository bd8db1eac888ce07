/* Whether the database is as this program needs it, asked after each connect. */
#pragma once

#include "common/pg.h"
#include "store/records.h"

struct schema {
	int version; /* 0: none yet */
	struct record_types types;
};

/* e is NULL when the schema is new enough; ERR_NOT_FOUND, with what to do about it, when it is not. */
typedef void (*schema_on_checked)(void *data, const struct schema *s, const struct err *e);

/* A look under way. Its owner keeps it until on_checked ran or the pg is closed: nothing is left to
 * free. */
struct schema_check {
	struct pg *pg;
	struct schema schema;
	schema_on_checked on_checked;
	void *data;
};
MUST_CHECK int schema_check(struct schema_check *c, struct pg *pg, schema_on_checked on_checked,
							void *data, struct err *e);

/* The version that this program's migrations lead to. */
int schema_wanted(void);
