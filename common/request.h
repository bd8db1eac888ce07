/* Requests on api.*: a record as JSON or protobuf, and the answer in the same form. */
#pragma once

#include "common/codec.h"
#include "common/service.h"

/* The form of the request, and so of the answer. */
bool request_protobuf(const struct bus_msg *m);
/* An empty body is the empty request. Returns owned (codec_free). */
MUST_CHECK int request_read(const struct bus_msg *m, const ProtobufCMessageDescriptor *d,
							ProtobufCMessage **ret, struct err *e);
/* The same where a bare text is as good as a record with it as the field of that name: `nats request api.pool.get general`. */
MUST_CHECK int request_read_named(const struct bus_msg *m, const ProtobufCMessageDescriptor *d,
								  const char *field, ProtobufCMessage **ret, struct err *e);
/* Whether the body is nothing but an id; in ret_id, which holds TASK_ID_MAX + 1. */
bool request_bare_id(const struct bus_msg *m, char *ret_id);
/* An error's code as in HTTP. */
int request_code(int code);
/* Ends r. */
void request_answer(struct service_request *r, const ProtobufCMessage *record);
/* In a form that was noted before. */
void request_answer_as(struct service_request *r, bool protobuf, const ProtobufCMessage *record);
/* The bytes of such an answer; out is emptied first. */
void request_encode(bool protobuf, const ProtobufCMessage *record, struct buf *out);
void request_refuse(struct service_request *r, const struct err *e);
