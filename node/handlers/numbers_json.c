/*
 * Numbers out of JSON: a list of numbers, an object of such lists, or a list
 * of objects (rows). null is missing; a string that is a number counts as
 * one, as spreadsheets export them. Depth is bounded by jansson (2048) and
 * nothing here recurses. It fails where the text is no JSON, or none of the
 * three shapes.
 */
#include "node/handlers/numbers.h"

#include <jansson.h>

static void take(struct column *c, const json_t *v)
{
	double d;
	if (json_is_number(v)) {
		column_add(c, json_number_value(v));
	} else if (json_is_string(v) && number_parse(json_string_value(v), json_string_length(v), &d)) {
		column_add(c, d);
	} else if (!json_is_null(v)) {
		c->text = true;
	}
}

static int read_rows(const json_t *rows, struct numbers *n, struct err *e)
{
	size_t i;
	const json_t *row;
	json_array_foreach(rows, i, row) {
		const char *key;
		json_t *v;
		if (!json_is_object(row)) {
			return err_set(e, ERR_INVALID, "element %zu is no object like those before it", i + 1);
		}
		json_object_foreach((json_t *)row, key, v) {
			size_t at;
			int rc = numbers_column(n, key, strlen(key), &at, e);
			if (rc < 0) {
				return rc;
			}
			take(&n->column[at], v);
		}
	}
	n->rows = json_array_size(rows);
	n->named = true;
	return 0;
}

static int read_series(const json_t *list, const char *name, struct numbers *n, struct err *e)
{
	size_t at, i;
	int rc = numbers_column(n, name, strlen(name), &at, e);
	if (rc < 0) {
		return rc;
	}
	const json_t *v;
	json_array_foreach(list, i, v) {
		take(&n->column[at], v);
	}
	n->rows = MAX_OF(n->rows, json_array_size(list));
	return 0;
}

static int read_lists(json_t *object, struct numbers *n, struct err *e)
{
	const char *key;
	json_t *v;
	n->named = true;
	json_object_foreach(object, key, v) {
		if (json_is_array(v)) {
			int rc = read_series(v, key, n, e);
			if (rc < 0) {
				return rc;
			}
		}
	}
	if (n->columns == 0) {
		return err_set(e, ERR_INVALID, "the JSON object holds no list of numbers");
	}
	return 0;
}

int numbers_read_json(const char *text, size_t len, struct numbers *ret, struct err *e)
{
	json_error_t why;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (j == NULL) {
		return err_set(e, ERR_INVALID, "not JSON: line %d, column %d: %s", why.line, why.column,
		               why.text);
	}
	int rc;
	if (json_is_object(j)) {
		rc = read_lists(j, ret, e);
	} else if (json_is_array(j) && json_is_object(json_array_get(j, 0))) {
		rc = read_rows(j, ret, e);
	} else if (json_is_array(j)) {
		rc = read_series(j, "values", ret, e);
		if (rc == 0 && ret->column[0].text) {
			rc = err_set(e, ERR_INVALID, "the JSON list holds something that is no number");
		}
	} else {
		rc = err_set(e, ERR_INVALID, "the JSON is neither a list nor an object");
	}
	json_decref(j);
	return rc;
}
