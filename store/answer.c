/*
 * What all questions to the store have in common. It stands alone because
 * each kind of question is a file of its own. Requests that make no sense
 * are 400; what is away or overloaded is 503.
 */
#include "store/answer.h"

#include <ctype.h>

#include "common/codec.h"

bool answer_in_protobuf(const struct bus_msg *m)
{
	const char *type = bus_msg_header(m, "Content-Type");
	return type != NULL && strcasestr(type, "protobuf") != NULL;
}

static bool blank(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!isspace((unsigned char)p[i])) {
			return false;
		}
	}
	return true;
}

int answer_read(const struct bus_msg *m, const ProtobufCMessageDescriptor *d,
				ProtobufCMessage **ret, struct err *e)
{
	const char *type = bus_msg_header(m, "Content-Type");
	if (blank(bus_msg_data(m), bus_msg_len(m)) && !answer_in_protobuf(m)) {
		return codec_from_json_text(d, "{}", 2, 0, ret, e);
	}
	return codec_decode(d, type, bus_msg_data(m), bus_msg_len(m), ret, e);
}

void answer_encode(bool protobuf, const ProtobufCMessage *record, struct buf *out)
{
	buf_reset(out);
	if (protobuf) {
		codec_pack(record, out);
	} else {
		codec_to_json_text(record, CODEC_ALL, out);
	}
}

void answer_record(struct service_request *r, bool protobuf, const ProtobufCMessage *record)
{
	CLEANUP(buf_release) struct buf out = {0};
	answer_encode(protobuf, record, &out);
	service_reply(r, protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, out.data, out.len);
}

static int http_code(int code)
{
	switch (code) {
	case ERR_INVALID:
	case ERR_TOO_LARGE:
		return 400;
	case ERR_CONFLICT:
		return 409;
	case ERR_NOT_FOUND: /* of a table: the schema is missing */
	case ERR_UNREACHABLE:
	case ERR_FULL:
	case ERR_CLOSED:
		return 503;
	case ERR_TIMEOUT:
		return 504;
	default:
		return 500;
	}
}

void answer_refuse(struct service_request *r, const struct err *e)
{
	service_fail(r, http_code(e->code), "%s", e->text);
}
