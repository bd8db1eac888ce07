/*
 * The SQL side of api.task.*: a request becomes a statement, a row becomes a
 * record. Pure: values in, values out.
 */
#pragma once

#include "api.pb-c.h"
#include "common/pg.h"
#include "store/arena.h"

#define TASK_LIST_DEFAULT 50u
#define TASK_LIST_MAX 1000u

/* A statement that is being put together; it owns what its parameters point to. */
struct task_select {
	struct buf sql;
	struct pg_param params[16];
	size_t nparams;
	struct pg_array states;
	struct arena arena;
	unsigned limit; /* rows that are asked for, without the one more that tells of a next page */
};

/* Tasks with everything; ids is borrowed until the statement is sent. */
void task_select_some(struct task_select *s, struct pg_array *ids);
/* The row of a task; pg_nrows where it is not there. */
size_t task_row_of(struct pg_rows rows, const char *id);
/*
 * A page, newest first, that ends with the task that reaches room_bytes at the latest. ERR_INVALID
 * names the field that is wrong.
 */
MUST_CHECK int task_select_page(struct task_select *s, const Millrace__TaskList *list,
								size_t room_bytes, struct err *e);
void task_select_release(struct task_select *s);

/* Row i of such a statement. Strings are copied to the arena, bodies point into rows. */
void task_from_row(struct pg_rows rows, size_t row, struct arena *a, Millrace__Task *ret);
/* How many tasks such a page has found; those beyond its room are not among its rows. */
size_t task_page_found(struct pg_rows rows);
/* Adds its rows of task_history_sql, and the last execution where it is not among them. */
void task_add_history(struct pg_rows attempts, struct arena *a, Millrace__Task *task);
extern const char task_history_sql[]; /* $1: the ids */

/* Where a page ended, as text that a URL can hold; in the arena. */
char *task_cursor(const Millrace__Task *last, struct arena *a);
