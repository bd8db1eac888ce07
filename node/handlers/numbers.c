/*
 * The table of numbers that a text becomes, and the JSON that describes it.
 * Reading the two formats is in numbers_csv.c and numbers_json.c, the
 * formulas in stats.c. It fails with a sentence where the text is no such
 * table or holds no number at all.
 */
#include "node/handlers/numbers.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "common/codec.h"
#include "node/handlers/stats.h"

bool number_parse(const char *s, size_t len, double *ret)
{
	while (len > 0 && isspace((unsigned char)*s)) {
		s++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)s[len - 1])) {
		len--;
	}
	char text[64];
	if (len == 0 || len >= sizeof text) {
		return false;
	}
	bool digit = false;
	for (size_t i = 0; i < len; i++) {
		if (isdigit((unsigned char)s[i])) {
			digit = true;
		} else if (s[i] == '\0' || strchr("+-.eE", s[i]) == NULL) {
			return false; /* strtod also takes hex, inf and nan */
		}
		text[i] = s[i];
	}
	text[len] = '\0';
	char *end;
	double v = strtod(text, &end);
	if (!digit || *end != '\0' || !isfinite(v)) {
		return false;
	}
	*ret = v;
	return true;
}

int numbers_column(struct numbers *n, const char *name, size_t name_len, size_t *ret, struct err *e)
{
	for (size_t i = 0; i < n->columns; i++) {
		if (strlen(n->column[i].name) == name_len && memcmp(n->column[i].name, name, name_len) == 0) {
			*ret = i;
			return 0;
		}
	}
	if (n->columns == NUMBERS_COLUMNS_MAX) {
		return err_set(e, ERR_TOO_LARGE, "more than %d columns", NUMBERS_COLUMNS_MAX);
	}
	n->column = xreallocarray(n->column, n->columns + 1, sizeof *n->column);
	n->column[n->columns] = (struct column){.name = xmemdup0(name, name_len)};
	*ret = n->columns++;
	return 0;
}

void column_add(struct column *c, double v)
{
	if (c->len == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->value = xreallocarray(c->value, c->cap, sizeof *c->value);
	}
	c->value[c->len++] = v;
}

void numbers_release(struct numbers *n)
{
	for (size_t i = 0; i < n->columns; i++) {
		free(n->column[i].name);
		free(n->column[i].value);
	}
	free(n->column);
	*n = (struct numbers){0};
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* What has no number in a row is missing there: counting it cell by cell would cost rows times columns. */
static json_t *describe(const struct column *c, size_t rows)
{
	double *sorted = xreallocarray(NULL, c->len, sizeof *sorted);
	struct stats s;
	stats_of(c->value, c->len, sorted, &s);
	free(sorted);
	json_t *outliers = json_array();
	for (size_t i = 0; i < MIN_OF(s.outliers, (size_t)STATS_OUTLIERS_MAX); i++) {
		json_array_append_new(outliers, number(s.outlier[i]));
	}
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:I}",
	                 "count", (json_int_t)s.count, "missing", (json_int_t)(rows - c->len),
	                 "sum", number(s.sum), "mean", number(s.mean), "median", number(s.median),
	                 "min", number(s.min), "max", number(s.max), "stddev", number(s.stddev),
	                 "quantiles", "p5", number(s.p5), "p25", number(s.p25), "p75", number(s.p75),
	                 "p95", number(s.p95), "outliers", outliers, "outliers_total", (json_int_t)s.outliers);
}

static json_t *describe_all(const struct numbers *n)
{
	json_t *columns = json_object(), *texts = json_array();
	for (size_t i = 0; i < n->columns; i++) {
		const struct column *c = &n->column[i];
		/* A name that is no UTF-8 cannot be a JSON key: its place is its name then. */
		char place[24];
		snprintf(place, sizeof place, "%zu", i + 1);
		const char *name = utf8_ok(c->name, strlen(c->name)) ? c->name : place;
		if (c->text || c->len == 0) {
			json_array_append_new(texts, json_string(name));
		} else {
			json_object_set_new(columns, name, describe(c, n->rows));
		}
	}
	return json_pack("{s:I, s:o, s:o}", "rows", (json_int_t)n->rows, "columns", columns,
	                 "text_columns", texts);
}

static bool is_json(const char *content_type, const char *text, size_t len)
{
	if (content_type && (strcasestr(content_type, "json") || strcasestr(content_type, "csv"))) {
		return strcasestr(content_type, "json") != NULL;
	}
	size_t i = 0;
	while (i < len && isspace((unsigned char)text[i])) {
		i++;
	}
	return i < len && (text[i] == '[' || text[i] == '{');
}

static bool any_number(const struct numbers *n)
{
	for (size_t i = 0; i < n->columns; i++) {
		if (!n->column[i].text && n->column[i].len > 0) {
			return true;
		}
	}
	return false;
}

int numbers_describe(const char *content_type, const char *text, size_t len, struct buf *out,
                     struct err *e)
{
	CLEANUP(numbers_release) struct numbers n = {0};
	int rc = is_json(content_type, text, len) ? numbers_read_json(text, len, &n, e)
	                                          : numbers_read_csv(text, len, &n, e);
	if (rc < 0) {
		return rc;
	}
	if (!any_number(&n)) {
		return err_set(e, ERR_INVALID,
		               "no column of numbers: stats takes CSV or JSON with numbers in it");
	}
	json_t *answer = n.named ? describe_all(&n) : describe(&n.column[0], n.rows);
	char *dump = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(17));
	json_decref(answer);
	if (dump == NULL) {
		return err_set(e, ERR_FAILED, "the statistics cannot be written as JSON");
	}
	buf_add_str(out, dump);
	free(dump);
	return 0;
}
