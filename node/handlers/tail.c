/*
 * Keeps the end of a stream of words and makes one printable line of it.
 * Pure. What a program says goes into a message header and a database
 * column: neither takes line ends, control characters or broken UTF-8.
 */
#include "node/handlers/tail.h"

#include <ctype.h>

#include "common/codec.h"

void tail_add(struct tail *t, const char *bytes, size_t len)
{
	if (len >= TAIL_BYTES) {
		memcpy(t->bytes, bytes + len - TAIL_BYTES, TAIL_BYTES);
		t->len = TAIL_BYTES;
		return;
	}
	size_t over = t->len + len > TAIL_BYTES ? t->len + len - TAIL_BYTES : 0;
	memmove(t->bytes, t->bytes + over, t->len - over);
	memcpy(t->bytes + t->len - over, bytes, len);
	t->len += len - over;
}

/* How many bytes the character at s has, or 0 where it is none. */
static size_t character(const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	return n <= len && utf8_ok(s, n) ? n : 0;
}

static bool is_control(const char *s)
{
	unsigned char c = (unsigned char)*s;
	return c < 0x20 || c == 0x7f;
}

void line_clean(const char *text, size_t len, char *out, size_t size)
{
	size_t used = 0;
	bool blank = true; /* leading ones are left out, several become one */
	for (size_t i = 0; i < len;) {
		if (isspace((unsigned char)text[i])) {
			i++;
			if (!blank && used + 1 < size)
				out[used++] = ' ';
			blank = true;
			continue;
		}
		blank = false;
		size_t n = is_control(text + i) ? 0 : character(text + i, len - i);
		if (used + MAX_OF(n, (size_t)1) >= size)
			break;
		if (n == 0) {
			out[used++] = '?';
		} else {
			memcpy(out + used, text + i, n);
			used += n;
		}
		i += MAX_OF(n, (size_t)1);
	}
	while (used > 0 && out[used - 1] == ' ') {
		used--;
	}
	out[used] = '\0';
}

static bool is_blank(const char *s, size_t len)
{
	while (len > 0 && isspace((unsigned char)*s)) {
		s++;
		len--;
	}
	return len == 0;
}

/* Where the last lines begin. */
static size_t first_shown(const struct tail *t)
{
	size_t at = t->len, lines = 0;
	while (at > 0) {
		size_t begin = at;
		while (begin > 0 && t->bytes[begin - 1] != '\n') {
			begin--;
		}
		lines += !is_blank(t->bytes + begin, at - begin);
		if (lines > TAIL_LINES)
			return at;
		at = begin > 0 ? begin - 1 : 0;
	}
	return 0;
}

void tail_line(const struct tail *t, char *out, size_t size)
{
	size_t at = first_shown(t), used = 0;
	out[0] = '\0';
	while (at < t->len) {
		const char *line = t->bytes + at;
		const char *end = memchr(line, '\n', t->len - at);
		size_t len = end ? (size_t)(end - line) : t->len - at;
		at += len + 1;
		if (is_blank(line, len) || used + 4 >= size)
			continue;
		if (used > 0) {
			memcpy(out + used, "; ", 3);
			used += 2;
		}
		line_clean(line, len, out + used, size - used);
		used += strlen(out + used);
	}
}

void tail_last(const struct tail *t, char *out, size_t size)
{
	size_t end = t->len;
	while (end > 0 && isspace((unsigned char)t->bytes[end - 1])) {
		end--;
	}
	size_t begin = end;
	while (begin > 0 && t->bytes[begin - 1] != '\n') {
		begin--;
	}
	line_clean(t->bytes + begin, end - begin, out, size);
}
