/*
 * Values on their way to and from PostgreSQL: arrays in the binary form of
 * array_recv, and the reading of result columns in binary or text. Apart from
 * the connection because it is pure; it goes wrong only by a caller's bug.
 */
#include "common/pg_internal.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <stdlib.h>

#include "common/clock.h"

#define EPOCH_2000_S INT64_C(946684800) /* PostgreSQL counts from 2000-01-01 */
#define ARRAY_HEAD 20u                  /* dimensions, null flag, type, length, lower bound */

static void add32(struct buf *b, uint32_t v)
{
	uint32_t be = htobe32(v);
	buf_add(b, &be, 4);
}

static void add_head(struct pg_array *a)
{
	if (a->buf.len == 0) { /* filled in by pg_array_param */
		static const char head[ARRAY_HEAD];
		buf_add(&a->buf, head, sizeof(head));
	}
	a->n++;
}

void pg_array_null(struct pg_array *a)
{
	add_head(a);
	a->nulls = true;
	add32(&a->buf, UINT32_MAX);
}

void pg_array_bytes(struct pg_array *a, const void *p, size_t len)
{
	add_head(a);
	assert(len <= INT32_MAX);
	buf_reserve(&a->buf, len + 4);
	add32(&a->buf, (uint32_t)len);
	if (len > 0) {
		buf_add(&a->buf, p, len);
	}
}

void pg_array_text(struct pg_array *a, const char *s)
{
	if (s == NULL || s[0] == '\0') {
		pg_array_null(a);
	} else {
		pg_array_bytes(a, s, strlen(s));
	}
}

void pg_array_int(struct pg_array *a, int64_t v)
{
	switch ((int)a->type) {
	case PG_BOOL: {
		char c = v != 0;
		pg_array_bytes(a, &c, 1);
		return;
	}
	case PG_INT2: {
		assert(v >= INT16_MIN && v <= INT16_MAX);
		uint16_t be = htobe16((uint16_t)v);
		pg_array_bytes(a, &be, 2);
		return;
	}
	case PG_INT4: {
		assert(v >= INT32_MIN && v <= INT32_MAX);
		uint32_t be = htobe32((uint32_t)v);
		pg_array_bytes(a, &be, 4);
		return;
	}
	default: {
		assert(a->type == PG_INT8 || a->type == PG_TIMESTAMPTZ);
		uint64_t be = htobe64((uint64_t)v);
		pg_array_bytes(a, &be, 8);
		return;
	}
	}
}

void pg_array_float(struct pg_array *a, double v)
{
	assert(a->type == PG_FLOAT8);
	uint64_t bits;
	memcpy(&bits, &v, 8);
	bits = htobe64(bits);
	pg_array_bytes(a, &bits, 8);
}

void pg_array_time(struct pg_array *a, int64_t wall_ns)
{
	if (wall_ns == 0) {
		pg_array_null(a);
	} else {
		pg_array_int(a, wall_ns / 1000 - EPOCH_2000_S * 1000000);
	}
}

void pg_array_reset(struct pg_array *a)
{
	buf_reset(&a->buf);
	a->n = 0;
	a->nulls = false;
}

void pg_array_release(struct pg_array *a)
{
	buf_release(&a->buf);
	a->n = 0;
	a->nulls = false;
}

static unsigned array_type(enum pg_type element)
{
	switch (element) {
	case PG_BOOL:
		return 1000;
	case PG_BYTEA:
		return 1001;
	case PG_INT8:
		return 1016;
	case PG_INT2:
		return 1005;
	case PG_INT4:
		return 1007;
	case PG_TEXT:
		return 1009;
	case PG_FLOAT8:
		return 1022;
	case PG_TIMESTAMPTZ:
		return 1185;
	case PG_ANY:
		break;
	}
	assert(!"an array needs the type of its elements");
	return 0;
}

struct pg_param pg_array_param(struct pg_array *a)
{
	if (a->n == 0) { /* no dimensions at all */
		buf_reset(&a->buf);
		add32(&a->buf, 0);
		add32(&a->buf, 0);
		add32(&a->buf, a->type);
		struct pg_param empty = {a->buf.data, a->buf.len, array_type(a->type), true};
		a->buf.len = 0; /* the bytes stay, and the next element starts afresh */
		return empty;
	}
	uint32_t head[5] = {htobe32(1), htobe32(a->nulls ? 1 : 0), htobe32(a->type), htobe32(a->n),
						htobe32(1)};
	memcpy(a->buf.data, head, ARRAY_HEAD);
	return (struct pg_param){a->buf.data, a->buf.len, array_type(a->type), true};
}

/* ---- results ---- */

size_t pg_nrows(struct pg_rows r)
{
	return (size_t)PQntuples(r.result);
}

size_t pg_ncols(struct pg_rows r)
{
	return (size_t)PQnfields(r.result);
}

uint64_t pg_affected(struct pg_rows r)
{
	/* libpq takes the result without const but only reads it. */
	return strtoull(PQcmdTuples((PGresult *)(uintptr_t)r.result), NULL, 10);
}

bool pg_null(struct pg_rows r, size_t row, size_t col)
{
	return PQgetisnull(r.result, (int)row, (int)col) != 0;
}

const char *pg_get(struct pg_rows r, size_t row, size_t col, size_t *ret_len)
{
	if (ret_len != NULL) {
		*ret_len = (size_t)PQgetlength(r.result, (int)row, (int)col);
	}
	return PQgetvalue(r.result, (int)row, (int)col);
}

int64_t pg_get_int(struct pg_rows r, size_t row, size_t col)
{
	size_t len;
	const char *p = pg_get(r, row, col, &len);
	if (pg_null(r, row, col)) {
		return 0;
	}
	if (PQfformat(r.result, (int)col) == 0) {
		return p[0] == 't' ? 1 : strtoll(p, NULL, 10);
	}
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;
	switch (len) {
	case 1:
		return p[0];
	case 2:
		memcpy(&v16, p, 2);
		return (int16_t)be16toh(v16);
	case 4:
		memcpy(&v32, p, 4);
		return PQftype(r.result, (int)col) == 26 /* oid */ ? (int64_t)be32toh(v32)
														   : (int32_t)be32toh(v32);
	case 8:
		memcpy(&v64, p, 8);
		return (int64_t)be64toh(v64);
	default:
		return 0;
	}
}

double pg_get_float(struct pg_rows r, size_t row, size_t col)
{
	size_t len;
	const char *p = pg_get(r, row, col, &len);
	if (pg_null(r, row, col)) {
		return NAN;
	}
	if (PQfformat(r.result, (int)col) == 0) {
		return strtod(p, NULL);
	}
	unsigned type = PQftype(r.result, (int)col);
	if (type == 700 /* float4 */ && len == 4) {
		uint32_t bits;
		float f;
		memcpy(&bits, p, 4);
		bits = be32toh(bits);
		memcpy(&f, &bits, 4);
		return (double)f;
	}
	if (type == PG_FLOAT8 && len == 8) {
		uint64_t bits;
		double d;
		memcpy(&bits, p, 8);
		bits = be64toh(bits);
		memcpy(&d, &bits, 8);
		return d;
	}
	return (double)pg_get_int(r, row, col);
}

int64_t pg_get_time(struct pg_rows r, size_t row, size_t col)
{
	if (pg_null(r, row, col)) {
		return 0;
	}
	int64_t us = pg_get_int(r, row, col);
	if (us == INT64_MAX || us == INT64_MIN) { /* infinity */
		return us;
	}
	return (us + EPOCH_2000_S * 1000000) * 1000;
}
