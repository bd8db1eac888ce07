/* What changed between two lists of rows that have a name. Pure. */
#pragma once

#include <jansson.h>

#include "common/base.h"

/* A number that jitters: it counts as changed only once it has moved by step since it was told. */
struct delta_slack {
	const char *key;
	double step;
};

/*
 * told: an object, name → the row as it was told last; becomes what is told now. rows: a list, borrowed; key is where a
 * row's name stands. slack: ended by one without a key, or NULL. *ret_changed gets a list of new and
 * changed rows, *ret_removed one of names; NULL where there are none. Both are owned.
 */
void delta_rows(json_t *told, const json_t *rows, const char *key, const struct delta_slack *slack,
				json_t **ret_changed, json_t **ret_removed);
/* The rows that told holds, as a list; owned. */
json_t *delta_list(const json_t *told);
/* Equal but for what slack allows. */
bool delta_same(const json_t *a, const json_t *b, const struct delta_slack *slack);
