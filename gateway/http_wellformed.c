/*
 * Is a request what it seems, before anybody believes it: its framing, its
 * headers, its parameters. It stands alone because libmicrohttpd lets pass
 * what a proxy before us may read otherwise (two lengths, a length beside
 * chunks, a blank before a header's colon), and ends strings at a NUL that
 * somebody escaped into a parameter: where handlers would see less than was
 * sent, a filter could be lost on the way. All of it is 400.
 */
#include <strings.h>

#include "common/codec.h"
#include "gateway/http_internal.h"

struct look {
	unsigned hosts, lengths, encodings;
	bool chunked;
	const char *name; /* of what is wrong */
	const char *why;
};

/* RFC 9110, 5.6.2 */
static bool token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		   (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!token_char((unsigned char)text[i]))
			return false;
	}
	return len > 0;
}

static bool is_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return utf8_ok(text, len);
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind UNUSED, const char *name,
								 size_t name_len, const char *value, size_t value_len)
{
	struct look *x = cls;

	value = value ? value : "";
	if (!is_token(name, name_len)) {
		x->why = "a header's name holds what no name may";
	} else if (!is_value(value, value_len)) {
		x->name = name;
		x->why = "a header's value holds control characters, or is no UTF-8";
	} else if (strcasecmp(name, "Host") == 0) {
		x->hosts++;
	} else if (strcasecmp(name, "Content-Length") == 0) {
		x->lengths++;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		x->encodings++;
		x->chunked = strcasecmp(value, "chunked") == 0;
	}
	return x->why ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_parameter(void *cls, enum MHD_ValueKind kind UNUSED, const char *name,
									size_t name_len, const char *value, size_t value_len)
{
	struct look *x = cls;

	if (utf8_ok(name, name_len) && utf8_ok(value ? value : "", value_len))
		return MHD_YES;
	x->name = utf8_ok(name, name_len) ? name : NULL;
	x->why = "a parameter holds a NUL, or is no UTF-8";
	return MHD_NO;
}

bool http_wellformed(struct http_request *r)
{
	struct look x = {0};

	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, on_header, &x);
	if (!x.why)
		MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &x);
	if (!x.why && (x.hosts > 1 || x.lengths > 1 || x.encodings > 1)) {
		x.name = x.hosts > 1 ? "Host" : x.lengths > 1 ? "Content-Length" : "Transfer-Encoding";
		x.why = "the header is there more than once";
	} else if (!x.why && x.encodings && x.lengths) {
		x.name = "Content-Length";
		x.why = "a length beside Transfer-Encoding: which of them holds?";
	} else if (!x.why && x.encodings && !x.chunked) {
		x.name = "Transfer-Encoding";
		x.why = "chunked is the only one that is understood";
	}
	if (x.why)
		http_problem(r, 400, x.name, "%s", x.why);
	return !x.why;
}
