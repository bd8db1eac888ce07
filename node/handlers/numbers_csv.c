/*
 * CSV as RFC 4180 has it, read forgivingly: CRLF or LF, a byte-order mark,
 * comma, semicolon or tab, rows of unequal length. A quoted cell may hold
 * delimiters, doubled quotes and line ends. Only a quote that never closes
 * is an error, for then nothing after it means what it says.
 */
#include "node/handlers/numbers.h"

#include <stdio.h>
#include <strings.h>

struct cell {
	struct buf text;  /* unquoted */
	bool row_ends;
};

struct reader {
	const char *at, *end;
	char delimiter;
	unsigned line;
};

static char delimiter_of(const char *text, size_t len)
{
	static const char candidates[] = {',', ';', '\t'};
	size_t counts[3] = {0};
	bool quoted = false;
	for (size_t i = 0; i < len && (quoted || (text[i] != '\n' && text[i] != '\r')); i++) {
		quoted ^= text[i] == '"';
		for (size_t c = 0; c < 3 && !quoted; c++) {
			counts[c] += text[i] == candidates[c];
		}
	}
	size_t best = 0;
	for (size_t c = 1; c < 3; c++) {
		best = counts[c] > counts[best] ? c : best;
	}
	return candidates[best];
}

static int read_quoted(struct reader *r, struct cell *c, struct err *e)
{
	unsigned opened = r->line;
	for (r->at++; r->at < r->end; r->at++) {
		if (*r->at != '"') {
			r->line += *r->at == '\n';
			buf_add(&c->text, r->at, 1);
		} else if (r->at + 1 < r->end && r->at[1] == '"') {
			buf_add(&c->text, r->at++, 1);
		} else {
			r->at++;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "line %u: a quote is opened and never closed", opened);
}

/* One cell, and the delimiter or line end behind it. */
static int read_cell(struct reader *r, struct cell *c, struct err *e)
{
	buf_reset(&c->text);
	c->row_ends = false;
	if (r->at < r->end && *r->at == '"') {
		int rc = read_quoted(r, c, e);
		if (rc < 0) {
			return rc;
		}
	}
	const char *from = r->at;
	while (r->at < r->end && *r->at != r->delimiter && *r->at != '\n' && *r->at != '\r') {
		r->at++;
	}
	buf_add(&c->text, from, (size_t)(r->at - from));
	if (r->at < r->end && *r->at == r->delimiter) {
		r->at++;
		return 0;
	}
	c->row_ends = true;
	if (r->at + 1 < r->end && r->at[0] == '\r' && r->at[1] == '\n') {
		r->at++;
	}
	if (r->at < r->end) {
		r->at++;
		r->line++;
	}
	return 0;
}

static bool is_missing(const char *s, size_t len)
{
	static const char *const words[] = {"", "-", "na", "n/a", "nan", "null"};
	while (len > 0 && (*s == ' ' || *s == '\t')) {
		s++;
		len--;
	}
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t')) {
		len--;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i]) == len && strncasecmp(s, words[i], len) == 0) {
			return true;
		}
	}
	return false;
}

static void take(struct column *c, const struct buf *text)
{
	double v;
	const char *s = text->data ? text->data : "";
	if (number_parse(s, text->len, &v)) {
		column_add(c, v);
	} else if (!is_missing(s, text->len)) {
		c->text = true;
	}
}

/* One line of numbers alone is a series, not one row of many columns. */
static int read_series(struct reader *r, struct numbers *n, struct cell *c, struct err *e)
{
	size_t at;
	int rc = numbers_column(n, "1", 1, &at, e);
	while (rc == 0) {
		rc = read_cell(r, c, e);
		if (rc == 0) {
			take(&n->column[at], &c->text);
			n->rows++;
		}
		if (c->row_ends) {
			break;
		}
	}
	return rc;
}

/* The first row names the columns, unless it is all numbers: then their places do. */
static int read_first(struct reader *r, struct numbers *n, struct cell *c, struct err *e)
{
	struct reader start = *r;
	bool header = false;
	size_t cells = 0;
	do {
		int rc = read_cell(r, c, e);
		if (rc < 0) {
			return rc;
		}
		double v;
		const char *s = c->text.data ? c->text.data : "";
		header |= !number_parse(s, c->text.len, &v) && !is_missing(s, c->text.len);
		cells++;
	} while (!c->row_ends);
	if (!header && r->at >= r->end) {
		*r = start;
		return read_series(r, n, c, e);
	}
	n->named = header || cells > 1;

	struct reader again = start;
	for (size_t i = 0; i < cells; i++) {
		char name[24];
		size_t at;
		int rc = read_cell(&again, c, e);
		if (rc < 0) {
			return rc;
		}
		snprintf(name, sizeof name, "%zu", i + 1);
		bool own = header && c->text.len > 0;
		rc = numbers_column(n, own ? c->text.data : name, own ? c->text.len : strlen(name), &at, e);
		if (rc < 0) {
			return rc;
		}
		if (at != i) {
			return err_set(e, ERR_INVALID, "line 1: two columns are named \"%.64s\"", n->column[at].name);
		}
	}
	if (!header) {
		*r = start;
	}
	return 0;
}

static int read_row(struct reader *r, struct numbers *n, struct cell *c, struct err *e)
{
	unsigned line = r->line;
	size_t cells = 0;
	do {
		int rc = read_cell(r, c, e);
		if (rc < 0) {
			return rc;
		}
		if (cells == 0 && c->row_ends && c->text.len == 0) {
			return 0; /* an empty line */
		}
		if (cells == n->columns) {
			return err_set(e, ERR_INVALID, "line %u has more cells than the first line (%zu)", line,
			               n->columns);
		}
		take(&n->column[cells++], &c->text);
	} while (!c->row_ends);
	n->rows++;
	return 0;
}

static void release_cell(struct cell *c)
{
	buf_release(&c->text);
}

int numbers_read_csv(const char *text, size_t len, struct numbers *ret, struct err *e)
{
	static const char mark[] = "\xef\xbb\xbf";
	if (len >= 3 && memcmp(text, mark, 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (memchr(text, '\0', len)) {
		return err_set(e, ERR_INVALID, "this is not text: it holds NUL bytes");
	}
	while (len > 0 && (*text == '\n' || *text == '\r')) {
		text++;
		len--;
	}
	if (len == 0) {
		return err_set(e, ERR_INVALID, "nothing to count: the input is empty");
	}
	struct reader r = {text, text + len, delimiter_of(text, len), 1};
	CLEANUP(release_cell) struct cell c = {0};
	int rc = read_first(&r, ret, &c, e);
	while (rc == 0 && r.at < r.end) {
		rc = read_row(&r, ret, &c, e);
	}
	return rc;
}
