/*
 * Bytes that grow at their end. It stands alone as the one place that does
 * the sums of capacity and length; growth doubles, so adding is linear over
 * all. Limits are the caller's: what comes from outside is bounded there.
 */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { FIRST_CAP = 64 };

void buf_reserve(struct buf *b, size_t more_bytes)
{
	if (b->data && more_bytes < b->cap - b->len)
		return;
	size_t need;
	if (__builtin_add_overflow(b->len, more_bytes, &need) || need >= SIZE_MAX / 4)
		need = SIZE_MAX / 4; /* no allocator gives that: ends the process there */
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	while (cap <= need)
		cap *= 2;
	b->data = xrealloc(b->data, cap);
	b->cap = cap;
	b->data[b->len] = '\0';
}

void buf_add(struct buf *b, const void *p, size_t len)
{
	buf_reserve(b, len);
	if (len)
		memcpy(b->data + b->len, p, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	va_list again;
	va_copy(again, args);
	buf_reserve(b, 0);
	int len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
	if (len > 0 && (size_t)len >= b->cap - b->len) {
		buf_reserve(b, (size_t)len);
		len = vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
	}
	if (len > 0)
		b->len += (size_t)len;
	b->data[b->len] = '\0';
	va_end(again);
	va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_reset(b);
		return;
	}
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

char *buf_take(struct buf *b)
{
	buf_reserve(b, 0);
	char *data = b->data;
	*b = (struct buf){0};
	return data;
}
