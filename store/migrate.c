/*
 * `millrace-store --migrate`. Apart from the daemon, which only looks at the
 * schema (schema.c).
 *
 * It goes well: the table schema_migrations tells how far the database is, and
 * each further file runs as one transaction that first takes a transaction-bound
 * advisory lock (session locks would not survive a pooler) and notes its own
 * version. Two that run at once meet at the lock; the second then finds the
 * version noted, rolls back and looks again. It fails: nothing of the file that
 * failed remains, and the sentence says which file it was.
 */
#include "store/migrate.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "store/migrations.h"

#define LOCK                                                                                      \
	"SELECT pg_advisory_xact_lock(7824017, 1);\n" /* any number, as long as it is always this one */
#define LOOK_TIMEOUT_MS 30000
#define STEP_TIMEOUT_MS (10 * 60 * 1000)

struct run {
	uv_loop_t loop;
	struct pg *pg;
	uv_timer_t limit;
	const struct migration *current;
	const struct migration
		*met; /* said "exists" at the last step: somebody was faster, or it is in the way */
	struct err met_err;
	int changed;
	bool done;
	struct err result;
};

static void look(struct run *r);

static void end(struct run *r, const struct err *e)
{
	if (!r->done) {
		r->done = true;
		r->result = e != NULL ? *e : (struct err){0};
		uv_stop(&r->loop);
	}
}

static void on_step(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct run *r = data;
	(void)rows;
	(void)n;
	if (e != NULL) {
		struct err why = *e;
		err_wrap(&why, "%s", r->current != NULL ? r->current->name : "make the schema millrace");
		if (e->code == ERR_EXISTS && r->current != NULL) { /* look how far somebody else got */
			r->met = r->current;
			r->met_err = why;
			look(r);
		} else if (e->code != ERR_UNREACHABLE) { /* else on_up looks again */
			end(r, &why);
		}
		return;
	}
	if (r->current != NULL) {
		printf("database: applied %s\n", r->current->name);
		r->changed++;
	}
	look(r);
}

static void step(struct run *r, const struct migration *m)
{
	CLEANUP(buf_release) struct buf sql = {0};
	struct err e;
	r->current = m;
	buf_add_str(&sql, LOCK);
	if (m == NULL) {
		buf_add_str(
			&sql,
			"CREATE SCHEMA IF NOT EXISTS millrace;\n"
			"CREATE TABLE IF NOT EXISTS millrace.schema_migrations (version integer PRIMARY KEY, "
			"name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());\n");
	} else {
		buf_printf(&sql,
				   "INSERT INTO millrace.schema_migrations (version, name) VALUES (%d, '%s');\n",
				   m->version, m->name);
		buf_add_str(&sql, m->sql);
	}
	if (pg_script(r->pg, sql.data, STEP_TIMEOUT_MS, on_step, r, &e) < 0 &&
		e.code != ERR_UNREACHABLE) {
		end(r, &e);
	}
}

static void fail(struct run *r, const struct err *e)
{
	if (e->code != ERR_UNREACHABLE) { /* else on_up looks again */
		end(r, e);
	}
}

static void on_version(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct run *r = data;
	(void)n;
	if (e != NULL) {
		fail(r, e);
		return;
	}
	int version = (int)pg_get_int(rows[0], 0, 0);
	for (size_t i = 0; i < migrations_count; i++) {
		if (migrations[i].version <= version) {
			continue;
		}
		if (&migrations[i] == r->met) { /* nobody took that step: what it makes was there before */
			end(r, &r->met_err);
		} else {
			step(r, &migrations[i]);
		}
		return;
	}
	if (r->changed == 0) {
		printf("database: schema millrace is at version %d, nothing to do\n", version);
	} else {
		printf("database: schema millrace is now at version %d\n", version);
	}
	end(r, NULL);
}

static void on_table(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct run *r = data;
	struct err why;
	(void)n;
	if (e != NULL) {
		fail(r, e);
	} else if (pg_get_int(rows[0], 0, 0) == 0) {
		step(r, NULL);
	} else if (pg_query(r->pg,
						"SELECT COALESCE(max(version), 0)::int4 FROM millrace.schema_migrations",
						NULL, 0, LOOK_TIMEOUT_MS, on_version, r, &why) < 0) {
		fail(r, &why);
	}
}

static void look(struct run *r)
{
	struct err e;
	if (pg_query(r->pg, "SELECT to_regclass('millrace.schema_migrations') IS NOT NULL", NULL, 0,
				 LOOK_TIMEOUT_MS, on_table, r, &e) < 0) {
		fail(r, &e);
	}
}

static void on_up(void *data)
{
	look(data);
}

static void on_down(void *data, const struct err *why)
{
	struct run *r = data;
	fprintf(stderr, "millrace-store: waiting for %s: %s\n", pg_address(r->pg), why->text);
}

static void on_limit(uv_timer_t *t)
{
	struct run *r = t->data;
	if (!pg_is_up(r->pg)) { /* a migration that runs may take its time */
		struct err why = *pg_why_down(r->pg);
		why.code = ERR_UNREACHABLE;
		if (strstr(why.text, "does not exist") != NULL) {
			err_set(&why, ERR_UNREACHABLE, "%s; createdb makes a database",
					pg_why_down(r->pg)->text);
		}
		end(r, &why);
	}
}

static void on_walk(uv_handle_t *h, void *data)
{
	(void)data;
	if (!uv_is_closing(h)) {
		uv_close(h, NULL);
	}
}

int migrate(const struct pg_config *c, int64_t wait_ns, struct err *e)
{
	struct run r = {0};
	struct pg_events ev = {on_up, on_down, &r};
	uv_loop_init(&r.loop);
	int rc = pg_open(&r.loop, c, "millrace-store --migrate", &ev, &r.pg, e);
	if (rc == 0) {
		uv_timer_init(&r.loop, &r.limit);
		r.limit.data = &r;
		uv_timer_start(&r.limit, on_limit, (uint64_t)(wait_ns / NS_PER_MS), 1000);
		uv_run(&r.loop, UV_RUN_DEFAULT);
		pg_close(&r.pg);
		rc = r.result.code;
		if (rc < 0 && e != NULL) {
			*e = r.result;
			err_wrap(e, "migrate the database");
		}
	}
	uv_walk(&r.loop, on_walk, NULL);
	while (uv_run(&r.loop, UV_RUN_DEFAULT) != 0) {
	}
	uv_loop_close(&r.loop);
	fflush(stdout);
	return rc;
}
