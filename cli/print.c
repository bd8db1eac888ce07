/*
 * Writes records to stdout: tables for people, tabs for pipes, JSON lines with
 * --json. It stands alone because it is the one edge between records and the
 * terminal. A reader that left is noticed by cli_output_closed; streams end
 * then, and main judges the rest.
 */
#include <stdio.h>

#include "cli/cell.h"
#include "cli/table.h"

#define LONG_CHARS 60
#define ROWS_DEFAULT ((size_t)50)

void cli_print_json(const json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	if (text) {
		fputs(text, stdout);
		fputc('\n', stdout);
		fflush(stdout);
	}
	free(text);
}

bool cli_output_closed(void)
{
	return ferror(stdout) != 0;
}

static void add_row(const struct cli *c, const struct cli_column *columns, size_t n,
					const json_t *row, int64_t now_ns, struct table *t)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_release) struct buf text = {0};
		const char *cell;

		cell_add(&text, json_object_get(row, columns[i].key), columns[i].cell, c->terminal, now_ns);
		cell = text.data ? text.data : "";
		table_add(t, cell, c->color && columns[i].cell == CELL_STATE ? cell_paint(cell) : NULL);
	}
}

static bool is_number(enum cli_cell kind)
{
	return kind == CELL_NUMBER || kind == CELL_BYTES || kind == CELL_DURATION_MS;
}

void cli_print_rows(const struct cli *c, const struct cli_column *columns, size_t n,
					const json_t *rows)
{
	CLEANUP(buf_release) struct buf out = {0};
	struct table_column *heads;
	struct table t = {.ncolumns = n};
	json_t *row;
	size_t i;

	if (c->config.json) {
		json_array_foreach(rows, i, row)
		{
			cli_print_json(row);
		}
		return;
	}
	heads = xcalloc(n, sizeof(*heads));
	for (i = 0; i < n; i++) {
		heads[i].title = columns[i].title;
		heads[i].right = is_number(columns[i].cell);
		heads[i].max_chars = columns[i].cell == CELL_LONG ? LONG_CHARS : 0;
	}
	t.columns = heads;
	json_array_foreach(rows, i, row)
	{
		add_row(c, columns, n, row, clock_wall_ns(), &t);
	}
	table_render(&t, c->terminal ? TABLE_ALIGNED : TABLE_TABS, &out);
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
	table_release(&t);
	free(heads);
}

void cli_print_limited(const struct cli *c, const struct cli_column *columns, size_t n,
					   json_t *rows)
{
	size_t have = json_array_size(rows);
	size_t most = c->config.limit  ? (size_t)c->config.limit
				  : c->config.json ? SIZE_MAX
								   : ROWS_DEFAULT;
	json_t *first;

	if (have <= most) {
		cli_print_rows(c, columns, n, rows);
		return;
	}
	first = json_array();
	for (size_t i = 0; i < most; i++)
		json_array_append(first, json_array_get(rows, i));
	cli_print_rows(c, columns, n, first);
	json_decref(first);
	if (!c->config.limit)
		cli_say(c, "%zu of %zu; --limit N shows more", most, have);
}

/* "submitted_at  12s ago (2026-01-02T03:04:05.678901Z)": people want both. */
static void add_exact_time(const struct cli *c, const struct cli_column *column,
						   const json_t *value, struct buf *out)
{
	if (c->terminal && column->cell == CELL_AGE && json_is_string(value))
		buf_printf(out, " (%s)", json_string_value(value));
}

static size_t widest(const struct cli_column *columns, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		width = MAX_OF(width, strlen(columns[i].title));
	return width;
}

void cli_print_record(const struct cli *c, const struct cli_column *columns, size_t n,
					  const json_t *object)
{
	CLEANUP(buf_release) struct buf out = {0};
	int width = (int)widest(columns, n);

	if (c->config.json) {
		cli_print_json(object);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_release) struct buf cell = {0};
		const json_t *value = json_object_get(object, columns[i].key);
		const char *paint;

		cell_add(&cell, value, columns[i].cell, c->terminal, clock_wall_ns());
		if (cell.len == 0)
			continue;
		add_exact_time(c, &columns[i], value, &cell);
		paint = c->color && columns[i].cell == CELL_STATE ? cell_paint(cell.data) : NULL;
		if (c->terminal)
			buf_printf(&out, "%-*s  ", width, columns[i].title);
		else
			buf_printf(&out, "%s\t", columns[i].title);
		buf_add_str(&out, paint ? paint : "");
		text_add_safe(&out, cell.data, cell.len);
		buf_add_str(&out, paint ? "\x1b[0m\n" : "\n");
	}
	if (out.len)
		fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
}
