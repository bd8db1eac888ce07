/*
 * Base64 by table. It stands alone because libcrypto's EVP_Decode takes
 * neither the URL alphabet nor unpadded text and skips blanks and newlines,
 * which would let one value have many spellings. Encoding cannot fail;
 * decoding refuses the first character that is not of the alphabet, a length
 * that no encoder makes, and bits set beyond the last byte.
 */
#include "common/base64.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const char *alphabet, const unsigned char *p, size_t len, struct buf *out)
{
	buf_reserve(out, (len + 2) / 3 * 4);
	for (size_t i = 0; i < len; i += 3) {
		size_t n = MIN_OF(len - i, (size_t)3);
		uint32_t bits = (uint32_t)p[i] << 16;
		if (n > 1)
			bits |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			bits |= p[i + 2];
		char quad[4] = {
			alphabet[bits >> 18],
			alphabet[bits >> 12 & 63],
			n > 1 ? alphabet[bits >> 6 & 63] : '=',
			n > 2 ? alphabet[bits & 63] : '=',
		};
		buf_add(out, quad, sizeof(quad));
	}
}

void base64_encode(const void *data, size_t len, struct buf *out)
{
	encode(standard, data, len, out);
}

void base64url_encode(const void *data, size_t len, struct buf *out)
{
	encode(url, data, len, out);
}

/* -1: not of either alphabet. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

static size_t without_padding(const char *text, size_t len)
{
	if (len % 4 != 0 || len == 0 || text[len - 1] != '=')
		return len;
	return text[len - 2] == '=' ? len - 2 : len - 1;
}

int base64_decode(const char *text, size_t len, struct buf *out, struct err *e)
{
	size_t before = out->len;
	uint32_t bits = 0;

	len = without_padding(text, len);
	if (len % 4 == 1)
		return err_set(e, ERR_INVALID, "base64 of %zu characters is cut short", len);
	buf_reserve(out, len / 4 * 3 + 3);
	for (size_t i = 0; i < len; i++) {
		int v = value_of(text[i]);
		if (v < 0) {
			out->len = before;
			out->data[before] = '\0';
			return err_set(e, ERR_INVALID, "no base64 at character %zu", i + 1);
		}
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 0) {
			char byte = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
			buf_add(out, &byte, 1);
		}
	}
	/* The last of 2 characters carries 4 bits too many, of 3 characters 2. */
	if ((len % 4 == 2 && (bits & 15) != 0) || (len % 4 == 3 && (bits & 3) != 0)) {
		out->len = before;
		out->data[before] = '\0';
		return err_set(e, ERR_INVALID, "base64 has bits beyond its last byte");
	}
	return 0;
}
