/* What pg.c (the connection) and pg_run.c (what runs on it) share. Nobody else includes it. */
#pragma once

#include <libpq-fe.h>

#include "common/pg.h"

#define PG_PAUSE_MIN_MS 100

enum pg_state {
	PG_WAITING, /* for the next attempt to connect */
	PG_CONNECTING,
	PG_UP,
	PG_BROKEN, /* found dead inside a call; torn down at the loop's next turn */
	PG_CLOSED,
};

struct pg_job {
	bool script;
	size_t nstatements;
	struct pg_statement *statements; /* NULL once sent */
	char *blob;                      /* owns what statements point to */
	char *sql;                       /* of a script */
	int64_t timeout_ms;
	pg_on_done on_done;
	void *data;
	bool limited; /* the server has taken timeout_ms */
	PGresult *results[PG_STATEMENTS_MAX];
	size_t nresults;
	struct err err; /* the first one */
	struct pg_job *prev, *next;
};

struct pg {
	uv_loop_t *loop;
	enum pg_state state;
	struct pg_events ev;
	void (*on_notify)(void *data); /* or NULL */
	void *notify_data;
	char *words[24], *values[24]; /* for PQconnectStartParams, NULL-terminated */
	char *address;
	PGconn *conn;
	uv_poll_t *poll;      /* on conn's socket, or NULL */
	int poll_events;      /* what it waits for */
	uv_timer_t *timer;    /* pause, longest connect, or a broken connection's end */
	uv_timer_t *deadline; /* of the job that runs */
	int64_t pause_ms;     /* before the next attempt */
	bool told_down;
	struct err why;
	struct err notice;   /* the last thing the server said by itself before it closed */
	bool pipeline;       /* libpq's mode */
	struct pg_job *jobs; /* the first one runs */
	size_t njobs;
	bool running;
};

/* ---- pg_run.c ---- */

/* Sends the first job where none runs. False: the connection is of no use any more, and why says
 * it. */
MUST_CHECK bool pg_jobs_start(struct pg *pg, struct err *why);
/* Takes what has arrived. */
MUST_CHECK bool pg_jobs_read(struct pg *pg, struct err *why);
/* Fails all jobs: the one that runs with first, the others with ERR_UNREACHABLE. */
void pg_jobs_fail(struct pg *pg, const struct err *first, const struct err *others);
/* Forgets all jobs without a word. */
void pg_jobs_drop(struct pg *pg);

/* ---- pg.c ---- */

/* Watches the socket for reading, and for writing while something is unsent. False: it is dead. */
MUST_CHECK bool pg_flush(struct pg *pg, struct err *why);
/* Tears down at the loop's next turn. */
void pg_break(struct pg *pg, const struct err *why);

/* ---- pg_err.c ---- */

int pg_err_from_result(const PGresult *r, struct err *e);
/* What libpq says about the connection, on one line. */
int pg_err_from_conn(const PGconn *c, struct err *e);
