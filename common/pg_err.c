/*
 * What the server or libpq says, as our error codes. Apart from the rest since
 * it is a pure table: the class of a SQLSTATE decides whether a caller should
 * wait, run again, or set its data aside. The server's DETAIL is left out,
 * because it quotes the row.
 */
#include "common/pg_internal.h"

#include <ctype.h>

static const struct {
	const char *prefix; /* of the SQLSTATE; the first that fits counts */
	int code;
} states[] = {
	{"08", ERR_UNREACHABLE},    /* connection exceptions */
	{"57P0", ERR_UNREACHABLE},  /* shutdown, crash, cannot connect now, database dropped */
	{"25006", ERR_UNREACHABLE}, /* read-only: a standby since the failover */
	{"53300", ERR_UNREACHABLE}, /* too many connections */
	{"3D", ERR_UNREACHABLE},    /* no such database (yet) */
	{"40", ERR_CONFLICT},       /* serialization failure, deadlock */
	{"55P03", ERR_CONFLICT},    /* lock not available */
	{"23505", ERR_EXISTS},      {"42P07", ERR_EXISTS}, /* duplicate table, schema, … */
	{"42P06", ERR_EXISTS},      {"42710", ERR_EXISTS},
	{"21", ERR_INVALID}, /* a key twice in one statement */
	{"P0", ERR_INVALID}, /* somebody's trigger says RAISE */
	{"22", ERR_INVALID}, /* data exceptions: NUL or broken UTF-8 in text, out of range */
	{"23", ERR_INVALID}, /* constraints */
	{"54", ERR_INVALID}, /* program limits: index row too large, … */
	{"42501", ERR_DENIED},      {"28", ERR_DENIED},
	{"42P01", ERR_NOT_FOUND},                           /* table */
	{"42883", ERR_NOT_FOUND},                           /* function */
	{"42703", ERR_NOT_FOUND},                           /* column */
	{"42704", ERR_NOT_FOUND},                           /* object */
	{"3F", ERR_NOT_FOUND},                              /* schema */
	{"53", ERR_FULL},           {"57014", ERR_TIMEOUT}, /* query canceled */
};

static int code_of(const char *sqlstate)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (strncmp(sqlstate, states[i].prefix, strlen(states[i].prefix)) == 0) {
			return states[i].code;
		}
	}
	return ERR_FAILED;
}

/* The lines of a libpq message as one sentence; its hints ("\n\tIs the server running …") are left
 * out. */
static void one_line(const char *text, char *out, size_t size)
{
	size_t n = 0;
	bool gap = false;
	for (; *text != '\0' && n + 2 < size; text++) {
		if (text[0] == '\n' && text[1] == '\t') {
			break;
		}
		if (isspace((unsigned char)*text)) {
			gap = n > 0;
			continue;
		}
		if (gap) {
			out[n++] = ' ';
		}
		gap = false;
		out[n++] = *text;
	}
	out[n] = '\0';
}

int pg_err_from_result(const PGresult *r, struct err *e)
{
	const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	char text[400];
	if (sqlstate == NULL) { /* libpq's own words: the connection broke */
		one_line(PQresultErrorMessage(r), text, sizeof(text));
		return err_set(e, ERR_UNREACHABLE, "PostgreSQL: %s", text);
	}
	one_line(primary != NULL ? primary : "no message", text, sizeof(text));
	return err_set(e, code_of(sqlstate), "PostgreSQL: %s (SQLSTATE %s)", text, sqlstate);
}

int pg_err_from_conn(const PGconn *c, struct err *e)
{
	char text[400];
	one_line(PQerrorMessage(c), text, sizeof(text));
	return err_set(e, ERR_UNREACHABLE, "PostgreSQL: %s",
				   text[0] != '\0' ? text : "connection lost");
}
