/*
 * Base64 (RFC 4648): the usual alphabet for bytes in JSON, the URL one for
 * names in the object store. Always padded when written.
 */
#pragma once

#include "common/buf.h"
#include "common/err.h"

void base64_encode(const void *data, size_t len, struct buf *out);
void base64url_encode(const void *data, size_t len, struct buf *out);
/* Takes both alphabets, with or without padding. ERR_INVALID leaves out as it was. */
MUST_CHECK int base64_decode(const char *text, size_t len, struct buf *out, struct err *e);
