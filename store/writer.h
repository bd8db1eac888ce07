/*
 * Brings one batch into PostgreSQL: as one transaction of one statement a
 * table, and, where the server refuses a row, in halves until that row stands
 * alone and is set aside in rejected_events.
 */
#pragma once

#include "common/pg.h"
#include "store/batch.h"
#include "store/schema.h"

struct writer;

struct writer_events {
	/* All of the batch is committed. Nothing of it is referred to any more. */
	void (*on_written)(void *data);
	/* It is not, and nobody's row is at fault: call writer_resume when it may work again. */
	void (*on_stuck)(void *data, const struct err *why);
	void *data;
};

struct writer *writer_new(struct pg *pg, const struct writer_events *ev);
/* No callback runs after it. The connection must be closed first. NULL is fine. */
void writer_free(struct writer **w);

/*
 * The batch, which has at least one row, is borrowed until on_written. One at a time. While the
 * database is away on_stuck runs before it returns; on_written never does.
 */
void writer_begin(struct writer *w, struct batch *b, const struct record_types *types);
/* Goes on where on_stuck stopped; types may have changed with the connection. What is under way is
 * left alone. */
void writer_resume(struct writer *w, const struct record_types *types);

/* What the last batch was. */
struct writer_report {
	size_t rows;     /* written, of all kinds */
	size_t finished; /* tasks that became final by it */
	size_t late;     /* final events of tasks that another event had finished already */
	size_t repeated; /* the very event that had finished it, delivered again */
	size_t rejected; /* rows set aside by bisection */
};
const struct writer_report *writer_report(const struct writer *w);
