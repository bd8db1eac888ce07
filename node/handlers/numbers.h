/*
 * Columns of numbers out of a CSV or JSON text, and their statistics as
 * JSON. Pure: bytes in, bytes out; any thread.
 *
 * CSV (RFC 4180; delimiter comma, semicolon or tab, whichever the first line
 * has most of): a first line with a cell that is no number is the header, and
 * a single line of nothing but numbers is one series.
 * JSON: [1, 2], {"a": [1, 2], "b": […]}, or [{"a": 1, "b": 2}, …].
 * Empty cells, null, NA, N/A, NaN and "-" are missing. A column with anything
 * else that is no number is text, and only named.
 */
#pragma once

#include "common/buf.h"
#include "common/err.h"

#define NUMBERS_COLUMNS_MAX 1024

struct column {
	char *name;
	double *value;
	size_t len, cap;
	bool text; /* holds something that is neither number nor missing */
};

struct numbers {
	struct column *column;
	size_t columns, rows;
	bool named; /* false: one series without a name, as a plain list */
};

/* A decimal number with nothing around it but blanks; no hex, no infinities. */
bool number_parse(const char *s, size_t len, double *ret);

/* ERR_INVALID says what is wrong and in which line. */
MUST_CHECK int numbers_read_csv(const char *text, size_t len, struct numbers *ret, struct err *e);
MUST_CHECK int numbers_read_json(const char *text, size_t len, struct numbers *ret, struct err *e);
void numbers_release(struct numbers *n);

/* The column's place, made when new; fails over NUMBERS_COLUMNS_MAX. */
MUST_CHECK int numbers_column(struct numbers *n, const char *name, size_t name_len, size_t *ret,
                              struct err *e);
void column_add(struct column *c, double v);

/*
 * The whole way: reads text (JSON where content_type says so or it starts with [ or {, else CSV) and appends the
 * answer: {"count", "missing", "sum", "mean", …} for one series, or {"rows", "columns": {name: {…}}, "text_columns"}.
 * ERR_INVALID where there is not one number.
 */
MUST_CHECK int numbers_describe(const char *content_type, const char *text, size_t len,
                                struct buf *out, struct err *e);
