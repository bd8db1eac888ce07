/* The last of what a program wrote to its stderr, however much that was. */
#pragma once

#include "common/base.h"

enum { TAIL_BYTES = 4096, TAIL_LINES = 8, TAIL_LINE_MAX = 1024 };

struct tail {
	char bytes[TAIL_BYTES];
	size_t len;
};

void tail_add(struct tail *t, const char *bytes, size_t len);

/*
 * The last TAIL_LINES lines that are not blank, as one line: parted by "; ", without control characters, valid
 * UTF-8 (a '?' for each byte that was none). Fit for a header and a column.
 */
void tail_line(const struct tail *t, char *out, size_t size);

/* The last line that is not blank, cleaned in the same way; "" where there is none. */
void tail_last(const struct tail *t, char *out, size_t size);

/* The same cleaning for any text; out holds size bytes with its NUL. */
void line_clean(const char *text, size_t len, char *out, size_t size);
