/*
 * Lays out a table. It stands alone because it is pure: cells in, text out,
 * tested without a terminal. It cannot fail. Text of strangers (an error, a
 * label) is made harmless here, so that no task can write to the operator's
 * terminal what it likes.
 */
#include "cli/table.h"

#include <stdint.h>

#define GAP "  "
#define ELLIPSIS "\xe2\x80\xa6"

static bool continuation(char c)
{
	return ((uint8_t)c & 0xc0) == 0x80;
}

size_t text_chars(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += !continuation(*text);
	return n;
}

void text_add_safe(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];
		bool c1 = c == 0xc2 && i + 1 < len && (uint8_t)text[i + 1] < 0xa0; /* U+0080 to U+009F */

		if (c == '\n')
			buf_add_str(out, "\\n");
		else if (c == '\t')
			buf_add_str(out, "\\t");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else if (c1)
			buf_printf(out, "\\x%02x", (uint8_t)text[++i]);
		else
			buf_add(out, text + i, 1);
	}
}

void table_add(struct table *t, const char *cell, const char *paint)
{
	struct buf safe = {0};

	text_add_safe(&safe, cell, strlen(cell));
	t->cells = xreallocarray(t->cells, t->ncells + 1, sizeof(*t->cells));
	t->paint = xreallocarray(t->paint, t->ncells + 1, sizeof(*t->paint));
	t->cells[t->ncells] = safe.data ? buf_take(&safe) : xstrdup("");
	t->paint[t->ncells++] = paint;
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->paint);
	t->cells = NULL;
	t->paint = NULL;
	t->ncells = 0;
}

static size_t shown_chars(const struct table_column *c, const char *cell)
{
	size_t n = text_chars(cell);

	return c->max_chars && n > c->max_chars ? c->max_chars : n;
}

/* Bytes of the first n characters. */
static size_t bytes_of(const char *text, size_t n)
{
	size_t i = 0;

	while (text[i] && n > 0) {
		i++;
		while (continuation(text[i]))
			i++;
		n--;
	}
	return i;
}

static void spaces(struct buf *out, size_t n)
{
	for (; n > 0; n--)
		buf_add(out, " ", 1);
}

static void add_cut(struct buf *out, const struct table_column *c, const char *cell)
{
	if (c->max_chars == 0 || text_chars(cell) <= c->max_chars) {
		buf_add_str(out, cell);
		return;
	}
	buf_add(out, cell, bytes_of(cell, c->max_chars - 1));
	buf_add_str(out, ELLIPSIS);
}

/* The last column is not padded: nobody wants trailing spaces. */
static void add_aligned(struct buf *out, const struct table_column *c, const char *cell,
						const char *paint, size_t width, bool last)
{
	size_t pad = width - shown_chars(c, cell);

	if (c->right)
		spaces(out, pad);
	if (paint)
		buf_add_str(out, paint);
	add_cut(out, c, cell);
	if (paint)
		buf_add_str(out, "\x1b[0m");
	if (!c->right && !last)
		spaces(out, pad);
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = text_chars(t->columns[column].title);

	for (size_t i = column; i < t->ncells; i += t->ncolumns) {
		size_t n = shown_chars(&t->columns[column], t->cells[i]);
		width = MAX_OF(width, n);
	}
	return width;
}

static void render_aligned(const struct table *t, struct buf *out)
{
	size_t *widths = xcalloc(t->ncolumns, sizeof(*widths));

	for (size_t i = 0; i < t->ncolumns; i++) {
		widths[i] = column_width(t, i);
		if (i)
			buf_add_str(out, GAP);
		add_aligned(out, &t->columns[i], t->columns[i].title, NULL, widths[i],
					i + 1 == t->ncolumns);
	}
	buf_add_str(out, "\n");
	for (size_t i = 0; i < t->ncells; i++) {
		size_t column = i % t->ncolumns;

		if (column)
			buf_add_str(out, GAP);
		add_aligned(out, &t->columns[column], t->cells[i], t->paint[i], widths[column],
					column + 1 == t->ncolumns);
		if (column + 1 == t->ncolumns)
			buf_add_str(out, "\n");
	}
	free(widths);
}

void table_render(const struct table *t, enum table_style style, struct buf *out)
{
	if (t->ncolumns == 0)
		return;
	if (style == TABLE_ALIGNED) {
		render_aligned(t, out);
		return;
	}
	for (size_t i = 0; i < t->ncolumns; i++)
		buf_printf(out, "%s%c", t->columns[i].title, i + 1 == t->ncolumns ? '\n' : '\t');
	for (size_t i = 0; i < t->ncells; i++)
		buf_printf(out, "%s%c", t->cells[i], (i + 1) % t->ncolumns == 0 ? '\n' : '\t');
}
