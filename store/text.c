/*
 * Two small things about text that both reading and writing events need.
 * Apart from jansson because headers are written once a task.
 */
#include "store/text.h"

void text_add_json(struct buf *b, const char *s)
{
	buf_add(b, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\') {
			char pair[2] = {'\\', *s};
			buf_add(b, pair, 2);
		} else if (c < 0x20) {
			buf_printf(b, "\\u%04x", c);
		} else {
			buf_add(b, s, 1);
		}
	}
	buf_add(b, "\"", 1);
}

size_t text_cut(const char *s, size_t max_bytes)
{
	size_t len = strnlen(s, max_bytes + 1);
	if (len <= max_bytes) {
		return len;
	}
	len = max_bytes;
	while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80) {
		len--;
	}
	return len;
}
