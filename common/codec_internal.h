/* What writing and reading a record as JSON share: how a field's descriptor is understood. */
#pragma once

#include "common/codec.h"

/* Deeper than any record of ours. */
#define CODEC_DEPTH_MAX 16

/* A wall time, RFC 3339 in JSON. */
static inline bool codec_is_time(const ProtobufCFieldDescriptor *f)
{
	size_t len = strlen(f->name);

	return f->type == PROTOBUF_C_TYPE_INT64 &&
	       (str_eq(f->name, "at") || (len > 3 && str_eq(f->name + len - 3, "_at")));
}

/* repeated millrace.Header: a JSON object of strings. */
static inline bool codec_is_header_map(const ProtobufCFieldDescriptor *f)
{
	return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE &&
		   str_eq(((const ProtobufCMessageDescriptor *)f->descriptor)->name, "millrace.Header");
}

/* "STATE_QUEUED" of State → "QUEUED"; borrowed from the descriptor. */
const char *codec_enum_word(const ProtobufCEnumDescriptor *d, const ProtobufCEnumValue *v);

/* Bytes of one element of a repeated field (a pointer for texts and records). */
size_t codec_element_size(ProtobufCType type);
