/*
 * A record as JSON, by reflection over its descriptor. It stands apart from
 * the reading because writing cannot fail: a text that is not UTF-8 is shown
 * with U+FFFD, an enum value that this build does not know is its number, a
 * number beyond JSON's signed 64 bits is a string of digits. Numbers and
 * booleans that are 0 are left out like every absent scalar, but CODEC_ALL
 * writes them as 0 and false: a count of nothing is a fact, a text of nothing
 * is null. A double is always written (its absence is NaN).
 */
#include "common/codec_internal.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>

#include "common/base64.h"
#include "common/clock.h"
#include "proto/common.pb-c.h"

static json_t *record_json(const ProtobufCMessage *m, unsigned flags, unsigned depth);

const char *codec_enum_word(const ProtobufCEnumDescriptor *d, const ProtobufCEnumValue *v)
{
	const char *word = v->name;

	/* The type's name in the value's spelling: NodeState is NODE_STATE_. */
	for (const char *p = d->short_name; *p; p++) {
		if (*word == '_')
			word++;
		if (tolower((unsigned char)*p) != tolower((unsigned char)*word))
			return v->name;
		word++;
	}
	return *word == '_' ? word + 1 : v->name;
}

static json_t *text_json(const char *text, size_t len)
{
	CLEANUP(buf_release) struct buf clean = {0};

	if (utf8_ok(text, len))
		return json_stringn_nocheck(text, len);
	utf8_clean(text, len, &clean);
	return json_stringn_nocheck(clean.data, clean.len);
}

static json_t *enum_json(const ProtobufCEnumDescriptor *d, int number)
{
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(d, number);
	char word[64];
	size_t n = 0;

	if (!v)
		return json_integer(number);
	for (const char *p = codec_enum_word(d, v); *p && n < sizeof(word) - 1; p++)
		word[n++] = (char)tolower((unsigned char)*p);
	return str_eq(codec_enum_word(d, v), "NONE") ? NULL : json_stringn_nocheck(word, n);
}

static json_t *signed_json(const ProtobufCFieldDescriptor *f, int64_t v)
{
	char text[32];

	if (!codec_is_time(f))
		return json_integer(v);
	if (v == 0)
		return NULL;
	time_format(v, text);
	return json_string(text);
}

static json_t *unsigned_json(uint64_t v)
{
	char text[24];
	int len;

	if (v <= INT64_MAX)
		return json_integer((json_int_t)v);
	len = snprintf(text, sizeof(text), "%" PRIu64, v);
	return json_stringn_nocheck(text, (size_t)len);
}

static json_t *double_json(double v)
{
	if (isnan(v))
		return NULL;
	/* JSON has no infinity. */
	return json_real(isinf(v) ? copysign(1.7976931348623157e308, v) : v);
}

/* bytes are a string or, under another key, base64; *ret_base64 says which. */
static json_t *bytes_json(const ProtobufCBinaryData *b, bool *ret_base64)
{
	CLEANUP(buf_release) struct buf text = {0};

	if (b->len == 0)
		return NULL;
	if (utf8_ok(b->data, b->len))
		return json_stringn_nocheck((const char *)b->data, b->len);
	base64_encode(b->data, b->len, &text);
	*ret_base64 = true;
	return json_stringn_nocheck(text.data, text.len);
}

/* One value at p; NULL: there is none (empty text, NaN, a NONE). Zeros are values here. */
static json_t *value_json(const ProtobufCFieldDescriptor *f, const void *p, unsigned flags,
						  unsigned depth, bool *ret_base64)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return json_integer(*(const int32_t *)p);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return signed_json(f, *(const int64_t *)p);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer(*(const uint32_t *)p);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return unsigned_json(*(const uint64_t *)p);
	case PROTOBUF_C_TYPE_FLOAT:
		return double_json((double)*(const float *)p);
	case PROTOBUF_C_TYPE_DOUBLE:
		return double_json(*(const double *)p);
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(*(const protobuf_c_boolean *)p);
	case PROTOBUF_C_TYPE_ENUM:
		return enum_json(f->descriptor, *(const int *)p);
	case PROTOBUF_C_TYPE_STRING: {
		const char *s = *(char *const *)p;
		return s && *s ? text_json(s, strlen(s)) : NULL;
	}
	case PROTOBUF_C_TYPE_BYTES:
		return bytes_json(p, ret_base64);
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *m = *(ProtobufCMessage *const *)p;
		return m ? record_json(m, flags, depth + 1) : NULL;
	}
	}
	return NULL;
}

static bool is_zero_number(const json_t *j)
{
	return json_is_false(j) || (json_is_integer(j) && json_integer_value(j) == 0);
}

size_t codec_element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(int);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	}
	return sizeof(void *);
}

static json_t *headers_json(const Millrace__Header *const *headers, size_t n)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_release) struct buf name = {0};

		utf8_clean(headers[i]->name, strlen(headers[i]->name), &name);
		/* The first of a name counts, as in bus_msg_header. */
		if (!json_object_get(o, name.data))
			json_object_set_new_nocheck(o, name.data,
										text_json(headers[i]->value, strlen(headers[i]->value)));
	}
	return o;
}

/* Elements that have no value of their own (an empty text) keep their place. */
static json_t *element_json(const ProtobufCFieldDescriptor *f, const void *p, unsigned flags,
							unsigned depth)
{
	bool base64 = false;
	json_t *j = value_json(f, p, flags, depth, &base64);

	if (j && base64) {
		json_t *o = json_object();
		json_object_set_new(o, "base64", j);
		return o;
	}
	if (j)
		return j;
	return f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES ? json_string("")
																				 : json_null();
}

static json_t *list_json(const ProtobufCFieldDescriptor *f, const void *elements, size_t n,
						 unsigned flags, unsigned depth)
{
	size_t size = codec_element_size(f->type);
	json_t *list;

	if (codec_is_header_map(f))
		return headers_json((const Millrace__Header *const *)elements, n);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
							  element_json(f, (const char *)elements + i * size, flags, depth));
	return list;
}

static void add_field(json_t *o, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
					  unsigned flags, unsigned depth)
{
	const char *p = (const char *)m + f->offset;
	bool base64 = false;
	json_t *j;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t n = *(const size_t *)(const void *)((const char *)m + f->quantifier_offset);

		if (n > 0 || flags & CODEC_ALL)
			json_object_set_new_nocheck(
				o, f->name, list_json(f, *(void *const *)(const void *)p, n, flags, depth));
		return;
	}
	j = value_json(f, p, flags, depth, &base64);
	if (!j && flags & CODEC_ALL) {
		json_object_set_new_nocheck(o, f->name, json_null());
	} else if (j && !(flags & CODEC_ALL) && is_zero_number(j)) {
		json_decref(j);
	} else if (j && base64) {
		char key[80];
		snprintf(key, sizeof(key), "%s_base64", f->name);
		json_object_set_new_nocheck(o, key, j);
	} else if (j) {
		json_object_set_new_nocheck(o, f->name, j);
	}
}

static json_t *record_json(const ProtobufCMessage *m, unsigned flags, unsigned depth)
{
	json_t *o;

	if (depth > CODEC_DEPTH_MAX)
		return json_null();
	o = json_object();
	for (unsigned i = 0; i < m->descriptor->n_fields; i++)
		add_field(o, m, &m->descriptor->fields[i], flags, depth);
	return o;
}

json_t *codec_to_json(const ProtobufCMessage *m, unsigned flags)
{
	return record_json(m, flags, 0);
}

static int on_text(const char *text, size_t len, void *data)
{
	buf_add(data, text, len);
	return 0;
}

void codec_to_json_text(const ProtobufCMessage *m, unsigned flags, struct buf *out)
{
	json_t *j = codec_to_json(m, flags);

	json_dump_callback(j, on_text, out, flags & CODEC_PRETTY ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(j);
}
