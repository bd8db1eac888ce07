/*
 * Frames on a stream of bytes. Pure. A length is checked before anything is
 * kept for it, so that a stranger's four bytes cannot make us wait for, or
 * hold, gigabytes. After an error the stream cannot be read on.
 */
#include "node/handlers/frame.h"

#include <arpa/inet.h>

enum { PREFIX = 4 };

int frame_write(const json_t *header, const void *body, size_t len, struct buf *out, struct err *e)
{
	CLEANUP(free_ptr) char *line = json_dumps(header, JSON_COMPACT);
	if (line == NULL)
		return err_set(e, ERR_FAILED, "a frame's header cannot be written as JSON");
	size_t line_len = strlen(line);
	if (len > UINT32_MAX - line_len - 1)
		return err_set(e, ERR_TOO_LARGE, "a frame of %zu bytes", len);
	uint32_t n = htonl((uint32_t)(line_len + 1 + len));
	buf_reserve(out, PREFIX + line_len + 1 + len);
	buf_add(out, &n, PREFIX);
	buf_add(out, line, line_len);
	buf_add(out, "\n", 1);
	buf_add(out, body, len);
	return 0;
}

void frame_feed(struct frame_reader *r, const char *bytes, size_t len)
{
	buf_consume(&r->in, r->at);
	r->at = 0;
	buf_add(&r->in, bytes, len);
}

static int read_header(const char *line, size_t len, json_t **ret, struct err *e)
{
	json_error_t why;
	json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	if (j == NULL)
		return err_set(e, ERR_PROTOCOL, "a frame's first line is no JSON: %s", why.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return err_set(e, ERR_PROTOCOL, "a frame's first line is no JSON object");
	}
	*ret = j;
	return 0;
}

int frame_next(struct frame_reader *r, struct frame *ret, struct err *e)
{
	size_t have = r->in.len - r->at;
	if (have < PREFIX)
		return 0;
	const char *at = r->in.data + r->at;
	uint32_t n;
	memcpy(&n, at, PREFIX);
	n = ntohl(n);
	if (n > r->body_max_bytes + FRAME_HEADER_MAX)
		return err_set(e, ERR_TOO_LARGE,
		               "a frame of %u bytes is more than its limit (does it print to stdout?)", n);
	if (have - PREFIX < n)
		return 0;
	const char *line = at + PREFIX;
	const char *end = memchr(line, '\n', MIN_OF(n, (uint32_t)FRAME_HEADER_MAX));
	if (end == NULL)
		return err_set(e, ERR_PROTOCOL, "a frame without a first line of at most %d bytes",
		               FRAME_HEADER_MAX);
	int rc = read_header(line, (size_t)(end - line), &ret->header, e);
	if (rc < 0)
		return rc;
	ret->body = end + 1;
	ret->len = n - (size_t)(end + 1 - line);
	r->at += PREFIX + n;
	if (ret->len <= r->body_max_bytes)
		return 1;
	json_decref(ret->header);
	return err_set(e, ERR_TOO_LARGE, "a result of %zu bytes is more than its limit (limits: output)",
	               ret->len);
}

void frame_reader_release(struct frame_reader *r)
{
	buf_release(&r->in);
	r->at = 0;
}
