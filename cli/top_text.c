/*
 * Lines in a given width. It stands alone because colours are bytes that
 * nobody sees: they must neither be counted nor be cut in two.
 */
#include "cli/top_layout.h"

/* Bytes of the escape sequence at p ("\x1b[31m"); 0: there is none. */
static size_t escape(const char *p, size_t len)
{
	size_t n = 2;

	if (len < 2 || p[0] != '\x1b' || p[1] != '[')
		return 0;
	while (n < len && ((p[n] >= '0' && p[n] <= '9') || p[n] == ';'))
		n++;
	return n < len ? n + 1 : n;
}

static size_t character(const char *p, size_t len)
{
	size_t n = 1;

	while (n < len && ((uint8_t)p[n] & 0xc0) == 0x80)
		n++;
	return n;
}

size_t top_seen(const char *line, size_t len)
{
	size_t seen = 0;

	for (size_t i = 0; i < len;) {
		size_t skip = escape(line + i, len - i);

		seen += skip == 0;
		i += skip ? skip : character(line + i, len - i);
	}
	return seen;
}

void top_fit(struct buf *out, const char *line, size_t len, unsigned width)
{
	bool cut = width && top_seen(line, len) > width, painted = false;
	size_t seen = 0, room = cut ? width - 1 : SIZE_MAX;

	for (size_t i = 0; i < len;) {
		size_t skip = escape(line + i, len - i);

		if (skip) {
			/* Once it is full only what ends a colour is of use. */
			bool reset = skip == 4 && line[i + 2] == '0';
			if (seen < room || reset)
				buf_add(out, line + i, skip);
			painted = !reset;
			i += skip;
			continue;
		}
		size_t n = character(line + i, len - i);
		if (seen < room)
			buf_add(out, line + i, n);
		else if (seen == room)
			buf_add_str(out, "\xe2\x80\xa6");
		if (seen == room && painted)
			buf_add_str(out, "\x1b[0m");
		if (seen == room)
			return;
		seen++;
		i += n;
	}
}
