/*
 * What node and agent process say to each other over stdio (docs/protocol.md):
 *
 *	4 bytes   length of the rest, unsigned, big-endian
 *	n bytes   a JSON object on one line, UTF-8
 *	1 byte    '\n'
 *	the rest  the body, any bytes
 */
#pragma once

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

#define FRAME_HEADER_MAX 65536 /* of what an agent sends, with its line end */

/* Appends one frame. ERR_TOO_LARGE over 4 GiB. */
MUST_CHECK int frame_write(const json_t *header, const void *body, size_t len, struct buf *out,
                           struct err *e);

struct frame_reader {
	struct buf in;
	size_t at;             /* what is before it was handed out */
	size_t body_max_bytes;
};

struct frame {
	json_t *header;   /* owned: json_decref */
	const char *body; /* borrowed until the next frame_feed */
	size_t len;
};

void frame_feed(struct frame_reader *r, const char *bytes, size_t len);
/* 1: *ret is a frame; 0: more bytes are needed; ERR_PROTOCOL, ERR_TOO_LARGE: nothing sensible can follow. */
MUST_CHECK int frame_next(struct frame_reader *r, struct frame *ret, struct err *e);
void frame_reader_release(struct frame_reader *r);
