/*
 * Pages of lists that a component tells whole: nodes, lanes, agents. It stands
 * alone because a cursor here is nothing but the last name of the page before:
 * it holds when rows come and go, and whoever made it up does no harm.
 */
#include "gateway/list_page.h"

#include <stdlib.h>

struct row {
	const char *name;
	json_t *value;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

json_t *list_page(const json_t *list, const char *key, json_int_t limit, const char *cursor,
				  const char **ret_next)
{
	size_t n = 0, i, all = json_array_size(list);
	struct row *rows = xcalloc(all + 1, sizeof(*rows));
	size_t most = limit <= 0 || limit > LIST_PAGE_MAX ? LIST_PAGE_MAX : (size_t)limit;
	json_t *value, *page = json_array();

	json_array_foreach (list, i, value) {
		const char *name = json_string_value(json_object_get(value, key));

		if (name && (!cursor || strcmp(name, cursor) > 0))
			rows[n++] = (struct row){name, value};
	}
	qsort(rows, n, sizeof(*rows), by_name);
	for (i = 0; i < n && i < most; i++)
		json_array_append(page, rows[i].value);
	*ret_next = n > most ? rows[most - 1].name : NULL;
	free(rows);
	return page;
}

json_t *list_answer(const json_t *list, const char *key, const char *name, const json_t *query)
{
	const char *next;
	json_t *page = list_page(list, key, json_integer_value(json_object_get(query, "limit")),
							 json_string_value(json_object_get(query, "cursor")), &next);

	return json_pack("{s:o, s:s?}", name, page, "next_cursor", next);
}
