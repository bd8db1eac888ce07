/*
 * PostgreSQL on the uv loop. This is the only file pair that knows libpq.
 *
 * A struct pg is one connection that is opened again for ever, with a growing
 * pause, whenever it is lost. What is run on it is a batch of parameterised
 * statements: they travel in one write, are one transaction (all or nothing)
 * and end in one callback. Nothing is left behind in the session (no named
 * prepared statements, no settings, no temporary tables), so everything works
 * through PgBouncer in transaction pooling.
 *
 * A batch that was under way when the connection broke fails with
 * ERR_UNREACHABLE; whether it was committed is then unknown, so what is
 * run must bear being run twice.
 *
 * Looking up a host name blocks the loop for as long as the resolver takes.
 */
#pragma once

#include <uv.h>

#include "common/buf.h"
#include "common/config.h"

struct pg;

struct pg_config {
	char *url; /* postgresql://… or key=value words; NULL: libpq's PG* environment alone */
};
/* Key database.url (DATABASE_URL); member is a struct pg_config of type. */
#define PG_CONFIG_KEYS(type, member)                                                            \
	{                                                                                           \
		"database.url", CONFIG_STRING, offsetof(type, member.url), NULL,                        \
			"PostgreSQL, as postgresql://user@host:port/name; default PG* of the environment, " \
			"database agentsys",                                                                \
			"DATABASE_URL", 0, 0, true                                                          \
	}

#define PG_DATABASE_DEFAULT "agentsys"

struct pg_events {
	void (*on_up)(void *data); /* connected, first or again */
	/* Lost, or not found in the first place; told once until the next on_up. It goes on trying by
	 * itself. */
	void (*on_down)(void *data, const struct err *why);
	void *data;
};

/*
 * Starts connecting; returns before anything happened. client_name is what pg_stat_activity shows.
 * Without a database name in url or environment it is agentsys. ERR_INVALID: url is none. Events
 * may be NULL.
 */
MUST_CHECK int pg_open(uv_loop_t *loop, const struct pg_config *c, const char *client_name,
					   const struct pg_events *ev, struct pg **ret, struct err *e);
/* No callback runs after it, not even of what is under way. NULL is fine. */
void pg_close(struct pg **pg);

bool pg_is_up(const struct pg *pg);
/* "postgresql://user@host:port/name", without secrets, for logs and people. */
const char *pg_address(const struct pg *pg);
/* Why it is down: borrowed; code 0 while up or before the first failure. */
const struct err *pg_why_down(const struct pg *pg);
/* 150004 for 15.4; 0 until connected. */
int pg_server_version(const struct pg *pg);
/* The backend's process id, for those who watch its cost; 0 until connected. Behind a pooler it is
 * the pooler's word. */
int pg_backend_pid(const struct pg *pg);
/*
 * fn is called for each notification that comes (LISTEN is a statement like any other; it holds until the connection
 * is lost, and is of use on a direct connection only).
 */
void pg_on_notify(struct pg *pg, void (*fn)(void *data), void *data);
/* Drops the connection and opens a new one at once; what was under way fails with ERR_UNREACHABLE. */
void pg_reconnect(struct pg *pg);

/* ---- parameters ---- */

/* Type oids that we send. 0 lets the server find the type from the statement. */
enum pg_type {
	PG_ANY = 0,
	PG_BOOL = 16,
	PG_BYTEA = 17,
	PG_INT8 = 20,
	PG_INT2 = 21,
	PG_INT4 = 23,
	PG_TEXT = 25,
	PG_FLOAT8 = 701,
	PG_TIMESTAMPTZ = 1184,
};

struct pg_param {
	const void *data; /* NULL: SQL NULL */
	size_t len;
	unsigned type; /* an oid, or PG_ANY */
	bool binary;   /* else text, NUL-terminated; len is ignored */
};
/* The text form of anything: PG_ARG("42"). */
#define PG_ARG(text) ((struct pg_param){.data = (text)})
/* bytea */
#define PG_ARG_BYTES(p, n) \
	((struct pg_param){.data = (p), .len = (n), .type = PG_BYTEA, .binary = true})

/*
 * An array parameter in the binary form, one element after the other. {.type = PG_INT8} is an empty
 * one; memory is kept over pg_array_reset. The number of elements is bounded by what a message may
 * hold (1 GiB) alone.
 */
struct pg_array {
	enum pg_type type;
	uint32_t n;
	bool nulls;
	struct buf buf;
};
void pg_array_null(struct pg_array *a);
void pg_array_int(struct pg_array *a,
				  int64_t v); /* int2, int4, int8 and bool by its type; the value must fit */
void pg_array_float(struct pg_array *a, double v); /* float8 */
void pg_array_time(struct pg_array *a,
				   int64_t wall_ns); /* timestamptz, to the microsecond; 0 is NULL */
void pg_array_bytes(struct pg_array *a, const void *p, size_t len); /* text or bytea */
void pg_array_text(struct pg_array *a, const char *s);              /* NULL and "" are NULL */
void pg_array_reset(struct pg_array *a);
void pg_array_release(struct pg_array *a);
/* Borrows a: valid until it changes. */
struct pg_param pg_array_param(struct pg_array *a);

/* ---- running ---- */

struct pg_statement {
	const char *sql; /* exactly one, with $1 … */
	const struct pg_param *params;
	size_t nparams;
};

/* What one statement gave back; borrowed for the callback. */
struct pg_rows {
	const void *result;
};

/*
 * e is NULL on success, and rows[i] belongs to statement i. Otherwise n is 0, nothing was changed
 * (but see ERR_UNREACHABLE above), and e is one of
 *
 *	ERR_UNREACHABLE  connection lost, server going down, read-only standby
 *	ERR_CONFLICT     serialization failure or deadlock: run it again
 *	ERR_INVALID      a value or row that the server refuses, and will again (classes 22 and 23, limits)
 *	ERR_EXISTS       a unique key is there already
 *	ERR_NOT_FOUND    no such table, column, function, schema
 *	ERR_DENIED, ERR_FULL (disk, memory, connections), ERR_TIMEOUT (ours or the server's), ERR_FAILED
 *
 * Its text ends in "(SQLSTATE 22021)" where the server said it. Never runs before pg_run returned.
 */
typedef void (*pg_on_done)(void *data, const struct pg_rows *rows, size_t n, const struct err *e);

#define PG_QUEUE_MAX 256u     /* batches that may wait on one connection */
#define PG_STATEMENTS_MAX 16u /* in one batch */
#define PG_PARAMS_MAX 64u     /* in one statement */

/*
 * Runs n statements as one transaction. Everything is copied. A statement that takes longer than
 * timeout_ms is ended by the server, and the batch fails with ERR_TIMEOUT; where the server says
 * nothing for so long and two seconds more, the connection is given up and opened anew.
 * ERR_UNREACHABLE while down, ERR_FULL when too many wait.
 */
MUST_CHECK int pg_run(struct pg *pg, const struct pg_statement *s, size_t n, int64_t timeout_ms,
					  pg_on_done on_done, void *data, struct err *e);
/* One statement. */
MUST_CHECK int pg_query(struct pg *pg, const char *sql, const struct pg_param *params,
						size_t nparams, int64_t timeout_ms, pg_on_done on_done, void *data,
						struct err *e);
/*
 * A text of many statements without parameters (a migration), as one transaction unless it says
 * BEGIN and COMMIT itself. rows[0] is the last statement's.
 */
MUST_CHECK int pg_script(struct pg *pg, const char *sql, int64_t timeout_ms, pg_on_done on_done,
						 void *data, struct err *e);
/* Batches that run or wait. */
size_t pg_pending(const struct pg *pg);

/* ---- reading ---- */

size_t pg_nrows(struct pg_rows r);
size_t pg_ncols(struct pg_rows r);
uint64_t pg_affected(struct pg_rows r); /* rows that an INSERT, UPDATE or DELETE touched */
bool pg_null(struct pg_rows r, size_t row, size_t col);
/* The value as it came, NUL behind it; "" for NULL. Text, json and bytea are what they look like. */
const char *pg_get(struct pg_rows r, size_t row, size_t col, size_t *ret_len /* or NULL */);
/* int2, int4, int8, oid, bool; 0 for NULL. Cast numeric in the statement. */
int64_t pg_get_int(struct pg_rows r, size_t row, size_t col);
/* float4, float8; NaN for NULL. */
double pg_get_float(struct pg_rows r, size_t row, size_t col);
/* timestamptz as wall ns; 0 for NULL. */
int64_t pg_get_time(struct pg_rows r, size_t row, size_t col);
