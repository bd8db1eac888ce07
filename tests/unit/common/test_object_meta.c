/* Names and records of objects, held to what other clients write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/object.h"

static void a_reference_is_a_bucket_and_a_name(void **state)
{
	(void)state;
	static const struct {
		const char *text, *bucket, *name; /* NULL: refused */
	} t[] = {
		{"payloads/big.mp4", "payloads", "big.mp4"},
		{"payloads/a/b c/\xc3\xa4", "payloads", "a/b c/\xc3\xa4"},
		{"payloads//tmp/x", "payloads", "/tmp/x"},
		{"a-B_9/x", "a-B_9", "x"},
		{"", NULL, NULL},
		{"payloads", NULL, NULL},
		{"payloads/", NULL, NULL},
		{"/x", NULL, NULL},
		{"pay.loads/x", NULL, NULL},
		{"pay>/x", NULL, NULL},
		{"*/x", NULL, NULL},
		{"pay loads/x", NULL, NULL},
		{"a23456789012345678901234567890123456789012345678901234567890123456789/x", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct object_ref r;
		struct err e = {0};
		int rc = object_ref_parse(t[i].text, &r, &e);
		if (t[i].bucket) {
			assert_int_equal(rc, 0);
			assert_string_equal(r.bucket, t[i].bucket);
			assert_string_equal(r.name, t[i].name);
		} else {
			assert_int_equal(rc, ERR_INVALID);
			assert_true(*e.text != '\0');
		}
	}
	char name[OBJECT_NAME_MAX + 8] = "b/";
	struct object_ref r;
	memset(name + 2, 'n', OBJECT_NAME_MAX);
	assert_int_equal(object_ref_parse(name, &r, NULL), 0);
	name[OBJECT_NAME_MAX + 2] = 'n';
	assert_int_equal(object_ref_parse(name, &r, NULL), ERR_INVALID);
}

static void a_name_is_padded_base64_of_the_url_alphabet(void **state)
{
	(void)state;
	char *s = object_info_subject("payloads", "a?>");
	assert_string_equal(s, "$O.payloads.M.YT8-");
	free(s);
	s = object_info_subject("payloads", "big.mp4");
	assert_string_equal(s, "$O.payloads.M.YmlnLm1wNA==");
	free(s);
}

static void what_the_go_client_writes_is_read(void **state)
{
	(void)state;
	static const char json[] =
		"{\"name\":\"big.mp4\",\"options\":{\"max_chunk_size\":131072},\"bucket\":\"payloads\","
		"\"nuid\":\"CkFXhgvNX4k1oBKWeTrXuc\",\"size\":5255225,\"mtime\":\"0001-01-01T00:00:00Z\","
		"\"chunks\":41,\"digest\":\"SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=\","
		"\"headers\":{\"Content-Type\":[\"video/mp4\"]},\"unknown\":1}";
	struct object_info i = {0};
	struct err e;
	assert_int_equal(object_info_read(json, strlen(json), &i, &e), 0);
	assert_string_equal(i.name, "big.mp4");
	assert_string_equal(i.nuid, "CkFXhgvNX4k1oBKWeTrXuc");
	assert_string_equal(i.content_type, "video/mp4");
	assert_int_equal(i.size_bytes, 5255225);
	assert_int_equal(i.chunks, 41);
	assert_false(i.deleted || i.link);
	object_info_release(&i);
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	char bucket[] = "payloads", name[] = "a \"b\"/\xc3\xa4", digest[] = "SHA-256=x",
		 type[] = "text/plain";
	char nuid[OBJECT_NUID_LEN + 1], other[OBJECT_NUID_LEN + 1];
	object_nuid(nuid);
	object_nuid(other);
	assert_int_equal(strlen(nuid), OBJECT_NUID_LEN);
	assert_string_not_equal(nuid, other);
	const struct object_info in = {.bucket = bucket,
								   .name = name,
								   .nuid = nuid,
								   .digest = digest,
								   .content_type = type,
								   .size_bytes = UINT64_C(1) << 40,
								   .chunks = 1 << 23,
								   .stored_wall_ns = 1,
								   .deleted = true};
	struct object_info out = {0};
	struct buf text = {0};
	struct err e;
	object_info_write(&in, &text);
	assert_int_equal(object_info_read(text.data, text.len, &out, &e), 0);
	assert_string_equal(out.name, name);
	assert_string_equal(out.digest, digest);
	assert_string_equal(out.content_type, type);
	assert_int_equal(out.size_bytes, in.size_bytes);
	assert_int_equal(out.chunks, in.chunks);
	assert_true(out.deleted);
	object_info_release(&out);
	buf_release(&text);
}

static void a_record_that_cannot_be_is_refused(void **state)
{
	(void)state;
	static const char *const t[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"name\":\"x\",\"size\":0}",
		"{\"name\":\"x\",\"nuid\":\"a.b\",\"size\":0}",
		"{\"name\":\"x\",\"nuid\":\">\",\"size\":0}",
		"{\"name\":\"x\",\"nuid\":\"a\\\"b\",\"size\":0}",
		"{\"name\":\"x\",\"nuid\":\"abc\",\"size\":-1}",
		"{\"name\":\"x\",\"nuid\":\"abc\",\"size\":1,\"chunks\":-1}",
		"{\"name\":\"x\",\"nuid\":\"abc\",\"size\":1}",
		"{\"name\":7,\"nuid\":\"abc\",\"size\":0}",
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct object_info o = {0};
		struct err e = {0};
		assert_int_equal(object_info_read(t[i], strlen(t[i]), &o, &e), ERR_PROTOCOL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reference_is_a_bucket_and_a_name),
		cmocka_unit_test(a_name_is_padded_base64_of_the_url_alphabet),
		cmocka_unit_test(what_the_go_client_writes_is_read),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_record_that_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
