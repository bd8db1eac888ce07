/* A view's table: which columns, in which order, as many as there is room for. Pure. */
#pragma once

#include "cli/top_layout.h"

enum top_table {
	TOP_TABLE_LANES,
	TOP_TABLE_NODES,
	TOP_TABLE_DEAD,
	TOP_TABLE_POOLS,
	TOP_TABLE_DECISIONS
};

struct top_order {
	size_t column;
	bool reverse;
	bool as_told; /* as it came; the others are nothing then */
};

/*
 * Appends a head line and at most rows (0: all) of the list, from *io_skip on (brought into bounds); columns that do not fit into
 * width (0: any) are left out from the right. rows NULL: it is not known, and a line says so. Returns the lines appended.
 */
size_t top_table(enum top_table which, const json_t *list, struct top_order order, size_t *io_skip,
				 size_t rows, unsigned width, bool color, int64_t now_wall_ns, struct buf *out);

size_t top_columns(enum top_table which);
const char *top_column_key(enum top_table which, size_t column);
