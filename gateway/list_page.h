/* Pages of lists that a component tells whole. Pure. */
#pragma once

#include <jansson.h>

#include "common/err.h"

#define LIST_PAGE_MAX 1000u

/*
 * Of list (borrowed) those that come after cursor by the text under key, at most limit of them (0: LIST_PAGE_MAX), in that
 * order; *ret_next is the cursor of the next page, NULL on the last, and lives as long as list. Returns owned.
 */
json_t *list_page(const json_t *list, const char *key, json_int_t limit, const char *cursor,
				  const char **ret_next);

/* {<name>: the page, "next_cursor": text or null}, limit and cursor as query has them. Returns owned. */
json_t *list_answer(const json_t *list, const char *key, const char *name, const json_t *query);

/* "limit" and "cursor" of a query. */
#define LIST_PARAMS              \
	{"limit", NULL, ASK_NUMBER}, \
	{                            \
		"cursor", NULL, ASK_TEXT \
	}
