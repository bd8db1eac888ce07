/*
 * Records on the wire: protobuf, or the same record as JSON. JSON is made
 * and read by reflection over the protobuf-c descriptors, so a record has
 * one definition. Rules of the JSON form:
 *   - keys are the field names (snake_case; camelCase is accepted on input);
 *   - an int64 field named at, or whose name ends in _at, is RFC 3339 (wall ns in the record), 0 is absent;
 *   - an enum is its value's name without the enum's prefix, lower case ("queued");
 *   - bytes are a string where they are valid UTF-8 without NUL, else "<field>_base64" holds them;
 *   - repeated millrace.Header is a JSON object of strings; the first of a name counts;
 *   - a double is always written, but NaN is absent (null is read as NaN);
 *   - numbers and booleans that are 0 are left out, but CODEC_ALL writes them; other absent scalars are
 *     written as null where CODEC_ALL is asked, else left out; an enum's NONE is absent;
 *   - on input also: decimal strings for numbers, a number for a string, an enum by number, nanoseconds
 *     for a time, and for bytes any other JSON value, which is kept as its text;
 *   - an unsigned number beyond 2^63-1 is a decimal string;
 *   - unknown keys are an error that names them, unless CODEC_LENIENT.
 * Input is limited: 16 MiB, 64 levels, 262,144 elements, 64 MiB once unfolded (ERR_TOO_LARGE); nothing
 * recursive is trusted. Strings of a protobuf may not be UTF-8: utf8_clean before they are stored.
 */
#pragma once

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "common/buf.h"
#include "common/err.h"

enum codec_flags { CODEC_ALL = 1, CODEC_LENIENT = 2, CODEC_PRETTY = 4 };

#define CONTENT_JSON "application/json"
#define CONTENT_PROTOBUF "application/x-protobuf"

/* Appends the packed record. */
void codec_pack(const ProtobufCMessage *m, struct buf *out);
/* Returns owned; free with codec_free. ERR_INVALID for bytes that are no such record. */
MUST_CHECK int codec_unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len,
                            ProtobufCMessage **ret, struct err *e);
void codec_free(ProtobufCMessage *m);

/* Returns owned (json_decref). */
json_t *codec_to_json(const ProtobufCMessage *m, unsigned flags);
void codec_to_json_text(const ProtobufCMessage *m, unsigned flags, struct buf *out);
MUST_CHECK int codec_from_json(const ProtobufCMessageDescriptor *d, const json_t *j, unsigned flags,
                               ProtobufCMessage **ret, struct err *e);
/* ERR_INVALID tells line and column. */
MUST_CHECK int codec_from_json_text(const ProtobufCMessageDescriptor *d, const void *text, size_t len,
                                    unsigned flags, ProtobufCMessage **ret, struct err *e);
/* By content type: JSON where it says JSON (or is NULL and the data starts with '{'), else protobuf. */
MUST_CHECK int codec_decode(const ProtobufCMessageDescriptor *d, const char *content_type,
                            const void *data, size_t len, ProtobufCMessage **ret, struct err *e);

bool utf8_ok(const void *data, size_t len); /* valid, and no NUL */
/* Appends the text with U+FFFD for each byte that utf8_ok would refuse. */
void utf8_clean(const void *data, size_t len, struct buf *out);
