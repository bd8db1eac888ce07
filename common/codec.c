/*
 * Records in their packed form, and the choice between the two forms. It is
 * the only file that packs and unpacks protobuf. Input is a stranger's: its
 * size is limited, and so is the memory that it may unfold to, because a
 * two-byte empty element becomes a struct of hundreds. Bytes that are no such
 * record, or too large a one, are one error; nothing is half accepted. A
 * string that is not UTF-8 passes here (one bad error text must not make a
 * whole batch unreadable); whoever stores or shows it cleans it.
 */
#include "common/codec.h"

#include <strings.h>

#define INPUT_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define UNFOLDED_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* The memory that one unpack may still take. */
struct budget {
	size_t left_bytes;
	bool spent;
};

static void *budget_alloc(void *data, size_t len)
{
	struct budget *b = data;
	size_t cost = len + 16; /* malloc's own words */

	if (cost > b->left_bytes) {
		b->spent = true;
		return NULL;
	}
	b->left_bytes -= cost;
	return malloc(len > 0 ? len : 1);
}

static void budget_free(void *data, void *p)
{
	(void)data;
	free(p);
}

void codec_pack(const ProtobufCMessage *m, struct buf *out)
{
	size_t len = protobuf_c_message_get_packed_size(m);

	buf_reserve(out, len + 1);
	out->len += protobuf_c_message_pack(m, (uint8_t *)out->data + out->len);
	out->data[out->len] = '\0';
}

int codec_unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len,
				 ProtobufCMessage **ret, struct err *e)
{
	struct budget budget = {.left_bytes = UNFOLDED_MAX_BYTES};
	ProtobufCAllocator limited = {budget_alloc, budget_free, &budget};
	ProtobufCMessage *m;

	if (len > INPUT_MAX_BYTES)
		return err_set(e, ERR_TOO_LARGE, "a record of %zu bytes is over the limit of %zu", len,
					   INPUT_MAX_BYTES);
	m = protobuf_c_message_unpack(d, &limited, len, data);
	if (!m && budget.spent)
		return err_set(e, ERR_TOO_LARGE, "%s of %zu bytes unfolds to more than %zu", d->short_name,
					   len, UNFOLDED_MAX_BYTES);
	if (!m)
		return err_set(e, ERR_INVALID, "%zu bytes are no %s record", len, d->short_name);
	*ret = m;
	return 0;
}

void codec_free(ProtobufCMessage *m)
{
	if (m)
		protobuf_c_message_free_unpacked(m, NULL);
}

/* "application/json; charset=utf-8", "application/cloudevents+json" */
static bool says_json(const char *content_type)
{
	size_t len = strcspn(content_type, "; \t");

	return len > 5 && strncasecmp(content_type + len - 4, "json", 4) == 0 &&
		   (content_type[len - 5] == '/' || content_type[len - 5] == '+');
}

int codec_decode(const ProtobufCMessageDescriptor *d, const char *content_type, const void *data,
				 size_t len, ProtobufCMessage **ret, struct err *e)
{
	/* No record of ours begins with '{' (a group in protobuf). Blanks before it are not skipped:
	 * a newline is the tag of field 1. */
	bool json = content_type ? says_json(content_type) : len > 0 && *(const char *)data == '{';

	return json ? codec_from_json_text(d, data, len, 0, ret, e)
				: codec_unpack(d, data, len, ret, e);
}

/* Bytes of the sequence at p (1 to 4), or 0: overlong, surrogate, cut short, NUL, beyond U+10FFFF. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (left < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool utf8_ok(const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(p + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

void utf8_clean(const void *data, size_t len, struct buf *out)
{
	const unsigned char *p = data;

	buf_reserve(out, len + 1);
	for (size_t i = 0; i < len;) {
		size_t n = utf8_sequence(p + i, len - i);
		if (n == 0)
			buf_add(out, "\xef\xbf\xbd", 3);
		else
			buf_add(out, p + i, n);
		i += MAX_OF(n, (size_t)1);
	}
}
