/*
 * The doctor's look at PostgreSQL. It stands alone as the only command that
 * speaks to the database itself: where the store cannot, somebody must say
 * why. Goes well: one connection, one statement. Fails: refused, no such
 * database, no schema, connections nearly used up; each with its remedy.
 */
#include "cli/doctor.h"

#define CONNECTIONS_FULL 0.9
#define VERSION_LEAST 130000

struct look {
	bool settled; /* up, or known to be down */
	bool done;
	struct err err;
	bool migrated;  /* there is a table of migrations */
	int64_t schema; /* the newest of them */
	int64_t connections, most;
};

static void on_up(void *data)
{
	struct look *l = data;

	l->settled = true;
}

static void on_down(void *data, const struct err *why)
{
	struct look *l = data;

	l->err = *why;
	l->settled = true;
}

static void on_rows(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct look *l = data;

	l->done = true;
	if (e) {
		l->err = *e;
		return;
	}
	if (n == 0 || pg_nrows(rows[0]) == 0)
		return;
	l->migrated = pg_get_int(rows[0], 0, 0) != 0;
	l->connections = pg_get_int(rows[0], 0, 1);
	l->most = pg_get_int(rows[0], 0, 2);
}

static void on_schema(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct look *l = data;

	l->done = true;
	if (e)
		l->err = *e;
	else if (n && pg_nrows(rows[0]))
		l->schema = pg_get_int(rows[0], 0, 0);
}

static int query(struct doctor *d, struct pg *pg, const char *sql, pg_on_done on_done,
				 struct look *l, struct err *e)
{
	int rc;

	l->done = false;
	rc = pg_query(pg, sql, NULL, 0, cli_timeout_ms(d->cli), on_done, l, e);
	if (rc == 0)
		rc = cli_wait(d->cli, &l->done, -1, e);
	if (rc == 0 && l->err.code)
		rc = err_set(e, l->err.code, "%s", l->err.text);
	return rc;
}

static int ask(struct doctor *d, struct pg *pg, struct look *l, struct err *e)
{
	static const char state[] =
		"SELECT (to_regclass('millrace.schema_migrations') IS NOT NULL)::int, "
		"(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
		"current_setting('max_connections')::int8";
	static const char schema[] =
		"SELECT COALESCE(max(version), 0)::int8 FROM millrace.schema_migrations";
	int rc = cli_wait(d->cli, &l->settled, cli_timeout_ms(d->cli), e);

	if (rc)
		return rc;
	if (!pg_is_up(pg))
		return err_set(e, l->err.code ? l->err.code : ERR_UNREACHABLE, "%s", l->err.text);
	rc = query(d, pg, state, on_rows, l, e);
	if (rc == 0 && l->migrated)
		rc = query(d, pg, schema, on_schema, l, e);
	return rc;
}

static void refused(struct doctor *d, const char *address, const struct err *e)
{
	const char *remedy = "start PostgreSQL, or say where it is by --database-url or DATABASE_URL";

	if (e->code == ERR_DENIED)
		remedy =
			"give user and password in DATABASE_URL or PGPASSWORD, or allow them in pg_hba.conf";
	else if (e->code == ERR_NOT_FOUND)
		remedy = "create the database: createdb NAME, then millrace setup";
	else if (e->code == ERR_FULL)
		remedy = "too many connections: raise max_connections, or put PgBouncer between";
	doctor_add(d, FINDING_WRONG, "database", remedy, "%s: %s", address, e->text);
}

static void judge_schema(struct doctor *d, struct pg *pg, const struct look *l)
{
	if (!l->migrated)
		doctor_add(d, FINDING_WRONG, "database", "run 'millrace setup'",
				   "%s has no schema millrace", pg_address(pg));
	else if (l->schema < MILLRACE_SCHEMA_VERSION)
		doctor_add(d, FINDING_WRONG, "database", "run 'millrace setup'",
				   "%s: the schema is version %lld, %d is needed", pg_address(pg),
				   (long long)l->schema, MILLRACE_SCHEMA_VERSION);
	else if (l->schema > MILLRACE_SCHEMA_VERSION)
		doctor_add(d, FINDING_WARNING, "database", "upgrade this program",
				   "%s: the schema is version %lld, newer than ours (%d)", pg_address(pg),
				   (long long)l->schema, MILLRACE_SCHEMA_VERSION);
	else
		doctor_add(d, FINDING_OK, "database", NULL, "%s, schema %lld", pg_address(pg),
				   (long long)l->schema);
}

static void judge(struct doctor *d, struct pg *pg, const struct look *l)
{
	int version = pg_server_version(pg);

	judge_schema(d, pg, l);
	if (version && version < VERSION_LEAST)
		doctor_add(d, FINDING_WARNING, "database", "use PostgreSQL 13 or newer",
				   "the server is PostgreSQL %d", version / 10000);
	if (l->most > 0 && (double)l->connections > CONNECTIONS_FULL * (double)l->most)
		doctor_add(
			d, FINDING_WARNING, "database", "raise max_connections, or put PgBouncer between",
			"%lld of %lld connections are in use", (long long)l->connections, (long long)l->most);
}

void doctor_database(struct doctor *d)
{
	struct look l = {0};
	const struct pg_events events = {.on_up = on_up, .on_down = on_down, .data = &l};
	struct err e = {0};
	struct pg *pg = NULL;

	if (pg_open(&d->cli->loop, &d->cli->config.database, "millrace doctor", &events, &pg, &e)) {
		doctor_add(d, FINDING_WRONG, "database", "see --database-url", "%s", e.text);
		return;
	}
	if (ask(d, pg, &l, &e))
		refused(d, pg_address(pg), &e);
	else
		judge(d, pg, &l);
	pg_close(&pg);
}
