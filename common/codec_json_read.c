/*
 * A record from JSON, by reflection over its descriptor. The text is a
 * stranger's: before it is parsed, one pass counts its depth and its elements
 * against limits, so that a JSON bomb costs a scan. Values are taken in the
 * spellings that people write (a number for a digit string, a decimal string
 * for a number, an enum by word in any case or by number), and anything else
 * is an error that names the path to it: "outcomes[3]: state: …". The record
 * under construction is always complete enough for codec_free, so every
 * failure frees it whole.
 */
#include "common/codec_internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "common/base64.h"
#include "common/clock.h"
#include "proto/common.pb-c.h"

#define TEXT_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define TEXT_DEPTH_MAX 64
#define TEXT_ELEMENTS_MAX 262144
#define NAME_MAX_BYTES 64

static int read_record(const ProtobufCMessageDescriptor *d, const json_t *j, unsigned flags,
					   unsigned depth, ProtobufCMessage **ret, struct err *e);

static const char *kind_of(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

static int wrong_kind(const char *wanted, const json_t *j, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s is needed, not %s", wanted, kind_of(j));
}

/* ---- numbers ---- */

static int read_signed(const json_t *j, int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	int64_t v = 0;

	if (json_is_integer(j)) {
		v = json_integer_value(j);
	} else if (json_is_real(j)) {
		double r = json_real_value(j);
		if (r != floor(r) || fabs(r) >= 9.2e18)
			return err_set(e, ERR_INVALID, "%.17g is no whole number", r);
		v = (int64_t)r;
	} else if (json_is_string(j)) {
		const char *s = json_string_value(j);
		char *end;
		errno = 0;
		v = strtoll(s, &end, 10);
		if (!isdigit((unsigned char)s[*s == '-']) || *end || errno)
			return err_set(e, ERR_INVALID, "\"%.40s\" is no whole number", s);
	} else {
		return wrong_kind("a whole number", j, e);
	}
	if (v < min || v > max)
		return err_set(e, ERR_INVALID, "%lld is not within %lld to %lld", (long long)v,
					   (long long)min, (long long)max);
	*ret = v;
	return 0;
}

static int read_unsigned64(const json_t *j, uint64_t *ret, struct err *e)
{
	int64_t v;
	int rc;

	if (json_is_string(j)) {
		const char *s = json_string_value(j);
		char *end;
		errno = 0;
		*ret = strtoull(s, &end, 10);
		if (!isdigit((unsigned char)*s) || *end || errno)
			return err_set(e, ERR_INVALID, "\"%.40s\" is no whole number", s);
		return 0;
	}
	rc = read_signed(j, 0, INT64_MAX, &v, e);
	if (rc == 0)
		*ret = (uint64_t)v;
	return rc;
}

/* A wall time: RFC 3339, or nanoseconds. */
static int read_int64(const ProtobufCFieldDescriptor *f, const json_t *j, int64_t *ret,
					  struct err *e)
{
	if (codec_is_time(f) && json_is_string(j))
		return time_parse(json_string_value(j), ret, e);
	return read_signed(j, INT64_MIN, INT64_MAX, ret, e);
}

static int read_double(const json_t *j, double *ret, struct err *e)
{
	if (!json_is_number(j))
		return wrong_kind("a number", j, e);
	*ret = json_number_value(j);
	return 0;
}

static int read_enum(const ProtobufCEnumDescriptor *d, const json_t *j, int *ret, struct err *e)
{
	char words[300] = "";
	size_t len = 0;

	for (unsigned i = 0; i < d->n_values; i++) {
		const char *word = codec_enum_word(d, &d->values[i]);
		const char *text = json_string_value(j);

		if ((text && (strcasecmp(text, word) == 0 || strcasecmp(text, d->values[i].name) == 0)) ||
			(json_is_integer(j) && json_integer_value(j) == d->values[i].value)) {
			*ret = d->values[i].value;
			return 0;
		}
		for (size_t k = 0; len + 3 < sizeof(words) && word[k]; k++)
			words[len++] = (char)tolower((unsigned char)word[k]);
		if (len + 3 < sizeof(words) && i + 1 < d->n_values)
			words[len++] = ' ';
		words[len] = '\0';
	}
	if (!json_is_string(j))
		return wrong_kind("a word", j, e);
	return err_set(e, ERR_INVALID, "\"%.40s\" is none of: %s", json_string_value(j), words);
}

/* ---- texts and bytes ---- */

static int read_string(const json_t *j, char **ret, struct err *e)
{
	if (json_is_string(j)) {
		/* From json_loads a text has no NUL; from a json_t built by hand it may. */
		if (strlen(json_string_value(j)) != json_string_length(j))
			return err_set(e, ERR_INVALID, "the text holds a NUL");
		*ret = xstrdup(json_string_value(j));
	} else if (json_is_integer(j)) {
		*ret = xasprintf("%lld", (long long)json_integer_value(j));
	} else {
		return wrong_kind("a string", j, e);
	}
	return 0;
}

static int on_text(const char *text, size_t len, void *data)
{
	buf_add(data, text, len);
	return 0;
}

/* A string's bytes; any other value is kept as its JSON. */
static int read_bytes(const json_t *j, bool base64, ProtobufCBinaryData *ret, struct err *e)
{
	CLEANUP(buf_release) struct buf b = {0};
	const json_t *inner = json_object_size(j) == 1 ? json_object_get(j, "base64") : NULL;

	if (base64 && !json_is_string(j))
		return wrong_kind("a string in base64", j, e);
	if (json_is_string(inner)) {
		j = inner;
		base64 = true;
	}
	if (base64) {
		int rc = base64_decode(json_string_value(j), json_string_length(j), &b, e);
		if (rc)
			return rc;
	} else if (json_is_string(j)) {
		buf_add(&b, json_string_value(j), json_string_length(j));
	} else {
		json_dump_callback(j, on_text, &b, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	ret->len = b.len;
	ret->data = b.len > 0 ? (uint8_t *)buf_take(&b) : NULL;
	return 0;
}

/* ---- fields ---- */

/* Reads one value to p, which has codec_element_size bytes. */
static int read_value(const ProtobufCFieldDescriptor *f, const json_t *j, bool base64,
					  unsigned flags, unsigned depth, void *p, struct err *e)
{
	int64_t v = 0;
	double r = 0;
	int rc = 0;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		rc = read_signed(j, INT32_MIN, INT32_MAX, &v, e);
		*(int32_t *)p = (int32_t)v;
		return rc;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		rc = read_signed(j, 0, UINT32_MAX, &v, e);
		*(uint32_t *)p = (uint32_t)v;
		return rc;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return read_int64(f, j, p, e);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return read_unsigned64(j, p, e);
	case PROTOBUF_C_TYPE_FLOAT:
		rc = read_double(j, &r, e);
		*(float *)p = (float)r;
		return rc;
	case PROTOBUF_C_TYPE_DOUBLE:
		return read_double(j, p, e);
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(j))
			return wrong_kind("true or false", j, e);
		*(protobuf_c_boolean *)p = json_is_true(j);
		return 0;
	case PROTOBUF_C_TYPE_ENUM:
		return read_enum(f->descriptor, j, p, e);
	case PROTOBUF_C_TYPE_STRING:
		return read_string(j, p, e);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes(j, base64, p, e);
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_record(f->descriptor, j, flags, depth + 1, p, e);
	}
	return err_set(e, ERR_INVALID, "a field of unknown kind");
}

static int read_headers(const json_t *j, Millrace__Header ***list, size_t *n, struct err *e)
{
	const char *name;
	json_t *value;

	if (!json_is_object(j))
		return wrong_kind("an object of strings", j, e);
	if (json_object_size(j) == 0)
		return 0;
	*list = xcalloc(json_object_size(j), sizeof(**list));
	json_object_foreach((json_t *)j, name, value)
	{
		Millrace__Header *h = xmalloc(sizeof(*h));

		millrace__header__init(h);
		(*list)[(*n)++] = h;
		h->name = xstrdup(name);
		int rc = read_string(value, &h->value, e);
		if (rc) {
			err_wrap(e, "%.60s", name);
			return rc;
		}
	}
	return 0;
}

/* The list hangs in the record, and counts, before its elements are read: so it is freed with it. */
static int read_list(const ProtobufCFieldDescriptor *f, const json_t *j, unsigned flags,
					 unsigned depth, ProtobufCMessage *m, struct err *e)
{
	void **list = (void **)(void *)((char *)m + f->offset);
	size_t *n = (size_t *)(void *)((char *)m + f->quantifier_offset);
	size_t size = codec_element_size(f->type);

	if (codec_is_header_map(f))
		return read_headers(j, (Millrace__Header ***)list, n, e);
	if (!json_is_array(j))
		return wrong_kind("a list", j, e);
	if (json_array_size(j) == 0)
		return 0;
	*list = xcalloc(json_array_size(j), size);
	for (size_t i = 0; i < json_array_size(j); i++) {
		int rc =
			read_value(f, json_array_get(j, i), false, flags, depth, (char *)*list + i * size, e);
		if (rc) {
			err_wrap(e, "%s[%zu]", f->name, i);
			return rc;
		}
		++*n;
	}
	return 0;
}

/* "camelCase" and "snake_case" name one field; "<bytes field>_base64" too. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *d,
												  const char *key, bool *ret_base64)
{
	static const char suffix[] = "_base64";
	const ProtobufCFieldDescriptor *f;
	char name[NAME_MAX_BYTES];
	size_t n = 0;

	for (const char *p = key; *p; p++) {
		if (n + 2 >= sizeof(name))
			return NULL;
		if (isupper((unsigned char)*p) && p > key)
			name[n++] = '_';
		name[n++] = (char)(p > key ? tolower((unsigned char)*p) : *p);
	}
	name[n] = '\0';
	*ret_base64 = false;
	f = protobuf_c_message_descriptor_get_field_by_name(d, name);
	if (f || n < sizeof(suffix) || !str_eq(name + n - (sizeof(suffix) - 1), suffix))
		return f;
	name[n - (sizeof(suffix) - 1)] = '\0';
	f = protobuf_c_message_descriptor_get_field_by_name(d, name);
	*ret_base64 = true;
	return f && f->type == PROTOBUF_C_TYPE_BYTES && f->label != PROTOBUF_C_LABEL_REPEATED ? f
																						  : NULL;
}

static int read_field(const ProtobufCFieldDescriptor *f, const json_t *j, bool base64,
					  unsigned flags, unsigned depth, ProtobufCMessage *m, struct err *e)
{
	void *p = (char *)m + f->offset;

	if (json_is_null(j)) {
		if (f->label != PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_DOUBLE)
			*(double *)p = (double)NAN;
		return 0;
	}
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return read_list(f, j, flags, depth, m, e);
	return read_value(f, j, base64, flags, depth, p, e);
}

static int read_fields(const json_t *j, unsigned flags, unsigned depth, ProtobufCMessage *m,
					   struct err *e)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	uint64_t seen = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)j, key, value)
	{
		bool base64;
		const ProtobufCFieldDescriptor *f = find_field(d, key, &base64);

		if (!f && flags & CODEC_LENIENT)
			continue;
		if (!f)
			return err_set(e, ERR_INVALID, "%s has no key \"%.60s\"", d->short_name, key);
		/* A second value would leak the first. No record of ours has 64 fields. */
		size_t i = (size_t)(f - d->fields);
		if (i >= 64 || seen >> i & 1)
			return err_set(e, ERR_INVALID, "\"%.60s\" is given twice", key);
		seen |= UINT64_C(1) << i;
		int rc = read_field(f, value, base64, flags, depth, m, e);
		if (rc) {
			/* An element of a list has named itself. */
			if (f->label != PROTOBUF_C_LABEL_REPEATED || !json_is_array(value))
				err_wrap(e, "%s", f->name);
			return rc;
		}
	}
	return 0;
}

static int read_record(const ProtobufCMessageDescriptor *d, const json_t *j, unsigned flags,
					   unsigned depth, ProtobufCMessage **ret, struct err *e)
{
	ProtobufCMessage *m;
	int rc;

	if (depth > CODEC_DEPTH_MAX)
		return err_set(e, ERR_INVALID, "nested deeper than %d", CODEC_DEPTH_MAX);
	if (!json_is_object(j))
		return wrong_kind("an object", j, e);
	m = xcalloc(1, d->sizeof_message);
	protobuf_c_message_init(d, m);
	rc = read_fields(j, flags, depth, m, e);
	if (rc) {
		codec_free(m);
		return rc;
	}
	*ret = m;
	return 0;
}

int codec_from_json(const ProtobufCMessageDescriptor *d, const json_t *j, unsigned flags,
					ProtobufCMessage **ret, struct err *e)
{
	return read_record(d, j, flags, 0, ret, e);
}

/* Counts what jansson would allocate for, without allocating. */
static int check_limits(const char *text, size_t len, struct err *e)
{
	size_t depth = 0, elements = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				in_string = false;
			continue;
		}
		if (text[i] == '"') {
			in_string = true;
		} else if (text[i] == '{' || text[i] == '[') {
			elements++;
			depth++;
		} else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
			depth--;
		} else if (text[i] == ',') {
			elements++;
		}
		if (depth > TEXT_DEPTH_MAX)
			return err_set(e, ERR_INVALID, "JSON is nested deeper than %d", TEXT_DEPTH_MAX);
		if (elements > TEXT_ELEMENTS_MAX)
			return err_set(e, ERR_TOO_LARGE, "JSON has more than %d elements", TEXT_ELEMENTS_MAX);
	}
	return 0;
}

int codec_from_json_text(const ProtobufCMessageDescriptor *d, const void *text, size_t len,
						 unsigned flags, ProtobufCMessage **ret, struct err *e)
{
	json_error_t at;
	json_t *j;
	int rc;

	if (len > TEXT_MAX_BYTES)
		return err_set(e, ERR_TOO_LARGE, "JSON of %zu bytes is over the limit of %zu", len,
					   TEXT_MAX_BYTES);
	rc = check_limits(text, len, e);
	if (rc)
		return rc;
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!j)
		return err_set(e, ERR_INVALID, "JSON, line %d, column %d: %s", at.line, at.column, at.text);
	rc = codec_from_json(d, j, flags, ret, e);
	json_decref(j);
	return rc;
}
