/* Requests of api.* as records, and answers in the form that the request had: JSON, or protobuf
 * where it says so. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/buf.h"
#include "common/service.h"

bool answer_in_protobuf(const struct bus_msg *request);
/* Returns owned (codec_free). An empty body is the empty request. */
MUST_CHECK int answer_read(const struct bus_msg *request, const ProtobufCMessageDescriptor *d,
						   ProtobufCMessage **ret, struct err *e);
void answer_encode(bool protobuf, const ProtobufCMessage *record, struct buf *out);
/* Ends r. */
void answer_record(struct service_request *r, bool protobuf, const ProtobufCMessage *record);
/* Ends r with e's sentence, and the code that HTTP has for it. */
void answer_refuse(struct service_request *r, const struct err *e);
