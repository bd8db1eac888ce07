/*
 * Rows as PostgreSQL's binary form of an array of a composite type: what the
 * put_* functions of the schema take. One such array is one function scan for
 * the server, where an array a column would be thirty.
 */
#pragma once

#include "common/pg.h"
#include "store/merge.h"

/* The composite types' oids in the database we are connected to; they differ between databases. */
struct record_types {
	unsigned task, attempt, node, rejected;     /* of the element */
	unsigned tasks, attempts, nodes, rejecteds; /* of the array */
};

struct records {
	struct buf buf;
	uint32_t n;
	size_t row_at, fields_left; /* private: the row that is being written */
	struct buf scratch;
};

/* An event, or a row of one, that is set aside. */
struct rejected {
	int64_t stored_wall_ns; /* of its message */
	uint64_t seq;
	uint32_t part;
	const char *subject;
	const char *task_id; /* or NULL */
	const char *error;
	const char *headers; /* JSON, or NULL */
	const void *data;
	size_t data_len;
};

/* Starts an empty array of element type oid. */
void records_start(struct records *r, unsigned element);
void records_add_task(struct records *r, const struct merge_task *t);
void records_add_attempt(struct records *r, const struct merge_attempt *a);
void records_add_node(struct records *r, const struct merge_node *n);
void records_add_rejected(struct records *r, const struct rejected *x);
/* Borrows r until it changes. */
struct pg_param records_param(struct records *r, unsigned array);
void records_release(struct records *r);

/* Longer texts are cut there. Bytes. */
#define NAME_MAX_BYTES 256u
#define OBJECT_MAX_BYTES 1024u
#define ERROR_MAX_BYTES 8192u
#define HEADERS_MAX_BYTES 65536u
#define REJECTED_MAX_BYTES 65536u
