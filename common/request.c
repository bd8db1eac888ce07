/*
 * What all of api.* have in common: reading a request in either
 * form, answering in the same, errors as codes of HTTP. It stands alone so
 * that a question and an order are refused in the same words.
 */
#include "common/request.h"

#include <ctype.h>

#include "common/token.h"

bool request_protobuf(const struct bus_msg *m)
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

int request_read(const struct bus_msg *m, const ProtobufCMessageDescriptor *d,
				 ProtobufCMessage **ret, struct err *e)
{
	const char *type = bus_msg_header(m, "Content-Type");
	if (blank(bus_msg_data(m), bus_msg_len(m)) && !request_protobuf(m)) {
		return codec_from_json_text(d, "{}", 2, 0, ret, e);
	}
	return codec_decode(d, type, bus_msg_data(m), bus_msg_len(m), ret, e);
}

int request_read_named(const struct bus_msg *m, const ProtobufCMessageDescriptor *d,
					   const char *field, ProtobufCMessage **ret, struct err *e)
{
	const char *p = bus_msg_data(m);
	size_t len = bus_msg_len(m);
	while (len > 0 && isspace((unsigned char)p[len - 1])) {
		len--;
	}
	if (len == 0 || len > 256 || p[0] == '{' || request_protobuf(m)) {
		return request_read(m, d, ret, e);
	}
	json_t *j = json_pack("{s:s%}", field, p, len);
	if (j == NULL) {
		return err_set(e, ERR_INVALID, "%s: is no text", field);
	}
	int rc = codec_from_json(d, j, 0, ret, e);
	json_decref(j);
	return rc;
}

bool request_bare_id(const struct bus_msg *m, char *ret_id)
{
	const char *p = bus_msg_data(m);
	size_t len = bus_msg_len(m);
	while (len > 0 && isspace((unsigned char)p[len - 1])) { /* `nats request` from a file or pipe */
		len--;
	}
	if (request_protobuf(m) || !task_id_ok(p, len)) {
		return false;
	}
	memcpy(ret_id, p, len);
	ret_id[len] = '\0';
	return true;
}

int request_code(int code)
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

void request_encode(bool protobuf, const ProtobufCMessage *record, struct buf *out)
{
	buf_reset(out);
	if (protobuf) {
		codec_pack(record, out);
	} else {
		codec_to_json_text(record, CODEC_ALL, out);
	}
}

void request_answer(struct service_request *r, const ProtobufCMessage *record)
{
	request_answer_as(r, request_protobuf(service_message(r)), record);
}

void request_answer_as(struct service_request *r, bool protobuf, const ProtobufCMessage *record)
{
	CLEANUP(buf_release) struct buf out = {0};
	request_encode(protobuf, record, &out);
	service_reply(r, protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, out.data, out.len);
}

void request_refuse(struct service_request *r, const struct err *e)
{
	service_fail(r, request_code(e->code), "%s", e->text);
}
