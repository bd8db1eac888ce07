/* A growing byte buffer, always followed by a NUL. {0} is an empty one. */
#pragma once

#include "common/base.h"

struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_reserve(struct buf *b, size_t more_bytes);
void buf_add(struct buf *b, const void *p, size_t len);
void buf_add_str(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
void buf_reset(struct buf *b);      /* len 0, memory kept */
void buf_release(struct buf *b);    /* memory freed; {0} again */
char *buf_take(struct buf *b);      /* returns owned, NUL-terminated */
