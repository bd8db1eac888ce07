/* Appends s as a JSON string, quotes included; its bytes are kept as they are, control characters
 * escaped. */
#pragma once

#include "common/buf.h"

void text_add_json(struct buf *b, const char *s);
/* How much of s fits max_bytes without cutting through a character. */
size_t text_cut(const char *s, size_t max_bytes);
