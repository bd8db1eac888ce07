/*
 * Rows of text, aligned for people or separated by tabs for programs. Pure:
 * it appends to a buffer. Cells are counted in characters, not bytes, and
 * what could move a cursor (control characters) never gets through.
 */
#pragma once

#include "common/buf.h"

enum table_style {
	TABLE_ALIGNED,
	TABLE_TABS, /* one head line, cells by tab; tabs and newlines in cells become \t and \n */
};
struct table_column {
	const char *title;
	bool right;         /* numbers */
	unsigned max_chars; /* cut with an ellipsis when aligned; 0: never */
};
struct table {
	const struct table_column *columns; /* borrowed */
	size_t ncolumns;
	char **cells;       /* row by row, owned */
	const char **paint; /* an escape sequence for the cell, or NULL; borrowed */
	size_t ncells;
};

/* cell is copied; cells come row by row. paint: a colour such as "\x1b[31m", used when aligned;
 * NULL: none. */
void table_add(struct table *t, const char *cell, const char *paint);
void table_render(const struct table *t, enum table_style style, struct buf *out);
void table_release(struct table *t);

/* Appends text with control characters as \n, \t or \xNN. */
void text_add_safe(struct buf *out, const char *text, size_t len);
/* Characters of UTF-8 text. */
size_t text_chars(const char *text);
