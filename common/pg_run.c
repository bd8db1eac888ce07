/*
 * What runs on a connection: batches of statements, one after the other. A
 * batch goes out as one libpq pipeline with a single Sync at its end, which
 * makes it one implicit transaction and one round trip, and which a pooler
 * sees as one transaction too. Nothing is prepared under a name.
 *
 * It goes well: the results come in the statements' order, then the Sync's
 * own; the callback gets them all. It fails: the server skips what follows
 * the first error and rolls back; the callback gets that error. A connection
 * that breaks is reported upwards by a false, and pg.c fails the jobs. What
 * takes too long is ended by the server, which is told the limit ahead of each
 * batch: one whose connection were simply closed would run on there, unseen,
 * with its locks. Only a server that does not even do that loses its connection.
 */
#include "common/pg_internal.h"

#include <stdio.h>

#include <utlist.h>

#define BINARY 1
#define GRACE_MS 2000 /* for the server's own word about a limit to arrive */

static void free_job(struct pg_job *j)
{
	for (size_t i = 0; i < j->nresults; i++) {
		PQclear(j->results[i]);
	}
	free(j->statements);
	free(j->blob);
	free(j->sql);
	free(j);
}

/* ---- a copy of what has to wait ---- */

static size_t param_len(const struct pg_param *p)
{
	return p->binary ? p->len : strlen(p->data) + 1;
}

static char *put(char **at, const void *p, size_t len)
{
	char *start = *at;
	if (len > 0) {
		memcpy(start, p, len);
	}
	*at += len;
	return start;
}

/* statements, then params, in one piece; their bytes in another. */
static void keep(struct pg_job *j, const struct pg_statement *s, size_t n)
{
	size_t bytes = 0, nparams = 0;
	for (size_t i = 0; i < n; i++) {
		bytes += strlen(s[i].sql) + 1;
		nparams += s[i].nparams;
		for (size_t k = 0; k < s[i].nparams; k++) {
			bytes += s[i].params[k].data != NULL ? param_len(&s[i].params[k]) : 0;
		}
	}
	j->statements = xmalloc(n * sizeof(*s) + nparams * sizeof(struct pg_param));
	j->blob = xmalloc(bytes + 1);
	struct pg_param *params = (struct pg_param *)(void *)(j->statements + n);
	char *at = j->blob;
	for (size_t i = 0; i < n; i++) {
		j->statements[i] =
			(struct pg_statement){put(&at, s[i].sql, strlen(s[i].sql) + 1), params, s[i].nparams};
		for (size_t k = 0; k < s[i].nparams; k++) {
			*params = s[i].params[k];
			if (params->data != NULL) {
				params->data = put(&at, params->data, param_len(params));
			}
			params++;
		}
	}
}

/* ---- sending ---- */

static int send_statement(PGconn *conn, const struct pg_statement *s)
{
	Oid types[PG_PARAMS_MAX];
	const char *values[PG_PARAMS_MAX];
	int lens[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
	for (size_t i = 0; i < s->nparams; i++) {
		const struct pg_param *p = &s->params[i];
		types[i] = p->type;
		values[i] = p->data;
		lens[i] = p->binary ? (int)p->len : 0;
		formats[i] = p->binary;
	}
	return PQsendQueryParams(conn, s->sql, (int)s->nparams, types, values, lens, formats, BINARY);
}

static bool send_job(struct pg *pg, struct pg_job *j, const struct pg_statement *s, struct err *why)
{
	bool ok = true;
	char limit[96]; /* for this transaction alone: a pooler may give the session to others after it */
	snprintf(limit, sizeof(limit), "SELECT set_config('statement_timeout', '%lld', true)",
			 (long long)MIN_OF(MAX_OF(j->timeout_ms, 1), INT32_MAX));
	if (pg->pipeline == j->script) {
		ok = (j->script ? PQexitPipelineMode(pg->conn) : PQenterPipelineMode(pg->conn)) != 0;
		pg->pipeline = !j->script;
	}
	if (j->script) {
		CLEANUP(free_ptr) char *all = xasprintf("%s;\n%s", limit, j->sql);
		ok = ok && PQsendQuery(pg->conn, all) != 0;
	} else {
		ok = ok && send_statement(pg->conn, &(struct pg_statement){.sql = limit}) != 0;
		for (size_t i = 0; ok && i < j->nstatements; i++) {
			ok = send_statement(pg->conn, &s[i]) != 0;
		}
		ok = ok && PQpipelineSync(pg->conn) != 0;
	}
	if (!ok) {
		pg_err_from_conn(pg->conn, why);
		return false;
	}
	pg->running = true;
	return pg_flush(pg, why);
}

static void on_deadline(uv_timer_t *t);

static bool start(struct pg *pg, struct pg_job *j, const struct pg_statement *s, struct err *why)
{
	uv_update_time(pg->loop);
	uv_timer_start(pg->deadline, on_deadline, (uint64_t)(j->timeout_ms + GRACE_MS), 0);
	return send_job(pg, j, s, why);
}

static void on_deadline(uv_timer_t *t)
{
	struct pg *pg = t->data;
	if (pg->jobs != NULL && pg->running) {
		err_set(&pg->jobs->err, ERR_TIMEOUT, "PostgreSQL did not answer within %lld ms",
				(long long)pg->jobs->timeout_ms);
	}
	struct err why;
	err_set(&why, ERR_UNREACHABLE, "PostgreSQL did not answer in time");
	pg_break(pg, &why);
}

bool pg_jobs_start(struct pg *pg, struct err *why)
{
	struct pg_job *j = pg->jobs;
	if (pg->running || j == NULL || pg->state != PG_UP) {
		return true;
	}
	bool ok = start(pg, j, j->statements, why);
	free(TAKE(j->statements));
	free(TAKE(j->blob));
	return ok;
}

/* ---- receiving ---- */

static struct pg_job *take_first(struct pg *pg)
{
	struct pg_job *j = pg->jobs;
	DL_DELETE(pg->jobs, j);
	pg->njobs--;
	return j;
}

static void finish(struct pg *pg)
{
	struct pg_job *j = take_first(pg);
	pg->running = false;
	uv_timer_stop(pg->deadline);
	if (j->err.code != 0) {
		j->on_done(j->data, NULL, 0, &j->err);
	} else {
		struct pg_rows rows[PG_STATEMENTS_MAX];
		for (size_t i = 0; i < j->nresults; i++) {
			rows[i].result = j->results[i];
		}
		pg->pause_ms = PG_PAUSE_MIN_MS;
		j->on_done(j->data, rows, j->nresults, NULL);
	}
	free_job(j);
}

/* Takes one result in; true once the job has its last. */
static bool take(struct pg_job *j, PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_PIPELINE_SYNC:
		PQclear(r);
		return true;
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
		if (!j->limited) { /* the limit's own result */
			j->limited = true;
			break;
		}
		if (j->script && j->nresults == 1) {
			PQclear(j->results[0]);
			j->nresults = 0;
		}
		if (j->nresults < PG_STATEMENTS_MAX) {
			j->results[j->nresults++] = r;
			return false;
		}
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	case PGRES_BAD_RESPONSE:
	case PGRES_FATAL_ERROR:
		if (j->err.code == 0) {
			pg_err_from_result(r, &j->err);
		}
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
	case PGRES_NONFATAL_ERROR:
	case PGRES_SINGLE_TUPLE:
		if (j->err.code == 0) {
			err_set(&j->err, ERR_FAILED, "PostgreSQL: %s is not a result that is handled here",
					PQresStatus(PQresultStatus(r)));
		}
		break;
	}
	PQclear(r);
	return false;
}

/* Told once, however many came. */
static void take_notifications(struct pg *pg)
{
	bool any = false;
	for (PGnotify *n; (n = PQnotifies(pg->conn)) != NULL; any = true) {
		PQfreemem(n);
	}
	if (any && pg->on_notify != NULL) {
		pg->on_notify(pg->notify_data);
	}
}

bool pg_jobs_read(struct pg *pg, struct err *why)
{
	bool alive = PQconsumeInput(pg->conn) != 0;
	if (!alive) {
		pg_err_from_conn(pg->conn, why);
	}
	/* What came before the end still counts. Two empty results in a row: no more is there. */
	unsigned gaps = 0;
	while (pg->state == PG_UP && pg->running && gaps < 2 && PQisBusy(pg->conn) == 0) {
		PGresult *r = PQgetResult(pg->conn);
		struct pg_job *j = pg->jobs;
		bool done = false;
		if (r != NULL) {
			gaps = 0;
			done = take(j, r);
		} else {
			gaps++;
			done = j->script;
		}
		if (done) {
			if (PQstatus(pg->conn) ==
				CONNECTION_BAD) { /* told by a last error; whether it closes is not in doubt */
				break;
			}
			finish(pg);
			if (pg->state == PG_UP && !pg_jobs_start(pg, why)) {
				return false;
			}
		}
	}
	if (pg->state != PG_UP) { /* closed or broken by a callback */
		return true;
	}
	if (!pg->running) {
		(void)PQisBusy(pg->conn); /* has libpq read what the server says by itself */
	}
	take_notifications(pg);
	if (pg->state != PG_UP) {
		return true;
	}
	if (alive && PQstatus(pg->conn) == CONNECTION_BAD) {
		pg_err_from_conn(pg->conn, why);
		alive = false;
	}
	return alive;
}

/* ---- ends ---- */

void pg_jobs_fail(struct pg *pg, const struct err *first, const struct err *others)
{
	struct pg_job *list = TAKE(pg->jobs);
	bool is_first = true;
	pg->njobs = 0;
	while (list != NULL) {
		struct pg_job *j = list;
		DL_DELETE(list, j);
		/* The server may have said why before it closed; a batch that it refused stays refused. */
		const struct err *e = j->err.code != 0 ? &j->err : is_first ? first : others;
		is_first = false;
		if (pg->state != PG_CLOSED) {
			j->on_done(j->data, NULL, 0, e);
		}
		free_job(j);
	}
}

void pg_jobs_drop(struct pg *pg)
{
	while (pg->jobs != NULL) {
		free_job(take_first(pg));
	}
}

/* ---- asking ---- */

static int add_job(struct pg *pg, struct pg_job *proto, const struct pg_statement *s, struct err *e)
{
	if (pg->state == PG_CLOSED) {
		return err_set(e, ERR_CLOSED, "the connection to PostgreSQL is closed");
	}
	if (pg->state != PG_UP) {
		return err_set(e, ERR_UNREACHABLE, "PostgreSQL is away (%s)",
					   pg->why.code != 0 ? pg->why.text : "not connected yet");
	}
	if (pg->njobs >= PG_QUEUE_MAX) {
		return err_set(e, ERR_FULL, "%u batches wait for PostgreSQL", PG_QUEUE_MAX);
	}
	struct pg_job *j = xmalloc(sizeof(*j));
	*j = *proto;
	bool now = pg->jobs == NULL && !pg->running;
	DL_APPEND(pg->jobs, j);
	pg->njobs++;
	if (!now) {
		if (!j->script) {
			keep(j, s, j->nstatements);
		}
		return 0;
	}
	struct err why;
	if (!start(pg, j, s, &why)) {
		pg_break(pg, &why); /* tells the job at the loop's next turn */
	}
	return 0;
}

int pg_run(struct pg *pg, const struct pg_statement *s, size_t n, int64_t timeout_ms,
		   pg_on_done on_done, void *data, struct err *e)
{
	if (n == 0 || n > PG_STATEMENTS_MAX) {
		return err_set(e, ERR_INVALID, "a batch has 1 to %u statements, not %zu", PG_STATEMENTS_MAX,
					   n);
	}
	for (size_t i = 0; i < n; i++) {
		if (s[i].nparams > PG_PARAMS_MAX) {
			return err_set(e, ERR_INVALID, "a statement has at most %u parameters", PG_PARAMS_MAX);
		}
	}
	struct pg_job j = {
		.nstatements = n, .timeout_ms = timeout_ms, .on_done = on_done, .data = data};
	return add_job(pg, &j, s, e);
}

int pg_query(struct pg *pg, const char *sql, const struct pg_param *params, size_t nparams,
			 int64_t timeout_ms, pg_on_done on_done, void *data, struct err *e)
{
	struct pg_statement s = {sql, params, nparams};
	return pg_run(pg, &s, 1, timeout_ms, on_done, data, e);
}

int pg_script(struct pg *pg, const char *sql, int64_t timeout_ms, pg_on_done on_done, void *data,
			  struct err *e)
{
	struct pg_job j = {.script = true,
					   .sql = xstrdup(sql),
					   .timeout_ms = timeout_ms,
					   .on_done = on_done,
					   .data = data};
	int rc = add_job(pg, &j, NULL, e);
	if (rc < 0) {
		free(j.sql);
	}
	return rc;
}

size_t pg_pending(const struct pg *pg)
{
	return pg->njobs;
}
