/*
 * Looks at the schema's version and at the oids of the row types, which
 * differ between databases. Apart from migrating, because the daemon never
 * changes the schema: one that is too old is refused with a sentence, one that
 * is newer (a newer store runs beside us) is fine, since migrations keep what
 * older programs call.
 */
#include "store/schema.h"

#include "store/migrations.h"

#define TIMEOUT_MS 10000

static const struct {
	const char *name;
	size_t element, array; /* in struct record_types */
} wanted[] = {
	{"task_row", offsetof(struct record_types, task), offsetof(struct record_types, tasks)},
	{"attempt_row", offsetof(struct record_types, attempt),
	 offsetof(struct record_types, attempts)},
	{"node_row", offsetof(struct record_types, node), offsetof(struct record_types, nodes)},
	{"rejected_row", offsetof(struct record_types, rejected),
	 offsetof(struct record_types, rejecteds)},
};

int schema_wanted(void)
{
	return migrations[migrations_count - 1].version;
}

static void read_types(struct pg_rows r, struct schema *s)
{
	for (size_t row = 0; row < pg_nrows(r); row++) {
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
			if (str_eq(pg_get(r, row, 0, NULL), wanted[i].name)) {
				unsigned element = (unsigned)pg_get_int(r, row, 1),
						 array = (unsigned)pg_get_int(r, row, 2);
				memcpy((char *)&s->types + wanted[i].element, &element, sizeof(element));
				memcpy((char *)&s->types + wanted[i].array, &array, sizeof(array));
			}
		}
	}
}

static void finish(struct schema_check *c, const struct err *e)
{
	struct err why;
	const struct schema *s = &c->schema;
	if (e == NULL && s->version < schema_wanted()) {
		err_set(&why, ERR_NOT_FOUND,
				"the schema millrace is at version %d and %d is needed; run millrace setup",
				s->version, schema_wanted());
		e = &why;
	} else if (e == NULL && (s->types.tasks == 0 || s->types.attempts == 0 || s->types.nodes == 0 ||
							 s->types.rejecteds == 0)) {
		err_set(&why, ERR_NOT_FOUND,
				"row types are missing in the schema millrace; was it changed by hand?");
		e = &why;
	}
	c->on_checked(c->data, s, e);
}

static void on_version(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct schema_check *c = data;
	(void)n;
	if (e == NULL) {
		c->schema.version = (int)pg_get_int(rows[0], 0, 0);
	}
	finish(c, e);
}

static void on_types(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct schema_check *c = data;
	struct err why;
	(void)n;
	if (e == NULL && pg_get_int(rows[0], 0, 0) == 0) {
		err_set(&why, ERR_NOT_FOUND, "the database has no schema millrace yet; run millrace setup");
		e = &why;
	} else if (e == NULL) {
		read_types(rows[1], &c->schema);
		if (pg_query(c->pg,
					 "SELECT COALESCE(max(version), 0)::int4 FROM millrace.schema_migrations", NULL,
					 0, TIMEOUT_MS, on_version, c, &why) == 0) {
			return;
		}
		e = &why;
	}
	finish(c, e);
}

int schema_check(struct schema_check *c, struct pg *pg, schema_on_checked on_checked, void *data,
				 struct err *e)
{
	/* Asked for by name first: to name a table that is not there would be an error in the server's
	 * log. */
	static const struct pg_statement asked[] = {
		{.sql = "SELECT to_regclass('millrace.schema_migrations') IS NOT NULL"},
		{.sql = "SELECT t.typname::text, t.oid, t.typarray FROM pg_catalog.pg_type t "
				"JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace "
				"WHERE n.nspname = 'millrace' AND t.typname LIKE '%\\_row'"},
	};
	*c = (struct schema_check){.pg = pg, .on_checked = on_checked, .data = data};
	return pg_run(pg, asked, ARRAY_LEN(asked), TIMEOUT_MS, on_types, c, e);
}
