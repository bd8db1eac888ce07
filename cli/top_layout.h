/*
 * The snapshot as lines of text: what stands where, in how much room. Pure:
 * no terminal, no clock.
 */
#pragma once

#include <jansson.h>

#include "common/buf.h"

enum top_view { TOP_LANES, TOP_NODES, TOP_DEAD_LETTERS, TOP_VIEWS };

struct top_ui {
	enum top_view view;
	size_t sort[TOP_VIEWS];  /* by which column */
	bool reverse[TOP_VIEWS]; /* against its usual order: text upwards, numbers downwards */
	size_t scroll; /* rows of the view's table that are passed over; brought into bounds */
	unsigned width,
		height; /* in characters; 0: as much as is needed, and all views one below the other */
	bool color;
	bool help;           /* the keys in the place of the tables */
	const char *url;     /* of the broker */
	int64_t interval_ms; /* 0: it is one snapshot */
	bool wanting;        /* nothing has been told yet */
};

/* Appends lines, each ended by a newline; at most height of them, each at most width characters wide. */
void top_layout(const json_t *snapshot, struct top_ui *ui, int64_t now_wall_ns, struct buf *out);

/* The next column of the view is the one to sort by; its number of columns wraps. */
void top_sort_next(struct top_ui *ui);
/* By a column's key ("queued"), of the ui's view; false: it has none of that name. */
bool top_sort_by(struct top_ui *ui, const char *key);
/* The keys to sort a view by, by commas. */
void top_sort_keys(enum top_view view, struct buf *out);
/* "lanes", "nodes", "dead"; false: none of them. */
bool top_view_parse(const char *name, enum top_view *ret);

/* Characters of a line that are seen: without escape sequences. */
size_t top_seen(const char *line, size_t len);
/* Appends what fits into width characters (0: all), escape sequences being free. */
void top_fit(struct buf *out, const char *line, size_t len, unsigned width);
