/* records: the bytes are a well-formed array of rows, and text in them is fit for PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>

#include "store/records.h"
#include "store/text.h"

static int32_t get32(const char **p)
{
	uint32_t v;
	memcpy(&v, *p, 4);
	*p += 4;
	return (int32_t)be32toh(v);
}

struct field {
	int32_t type, len;
	const char *data;
};

/* Reads the array's head and the fields of its only row. */
static size_t read_row(struct records *r, unsigned oid, struct field *fields, size_t max)
{
	struct pg_param p = records_param(r, oid + 1);
	const char *at = p.data;
	assert_int_equal(p.type, oid + 1);
	assert_int_equal(get32(&at), 1);
	assert_int_equal(get32(&at), 0);
	assert_int_equal(get32(&at), oid);
	assert_int_equal(get32(&at), 1);
	assert_int_equal(get32(&at), 1);
	assert_int_equal(get32(&at), p.len - 24);
	size_t n = (size_t)get32(&at);
	assert_true(n <= max);
	for (size_t i = 0; i < n; i++) {
		fields[i].type = get32(&at);
		fields[i].len = get32(&at);
		fields[i].data = at;
		at += fields[i].len > 0 ? fields[i].len : 0;
	}
	assert_ptr_equal(at, (const char *)p.data + p.len);
	return n;
}

static void an_empty_array_has_no_dimension(void **state)
{
	(void)state;
	struct records r = {0};
	records_start(&r, 5000);
	struct pg_param p = records_param(&r, 5001);
	const char *at = p.data;
	assert_int_equal(p.len, 12);
	assert_int_equal(get32(&at), 0);
	assert_int_equal(get32(&at), 0);
	assert_int_equal(get32(&at), 5000);
	records_release(&r);
}

static void a_task_has_the_columns_of_its_type(void **state)
{
	(void)state;
	static const int32_t types[] = {
		PG_TEXT,        PG_TEXT,        PG_TEXT, PG_INT2,        PG_INT2,        PG_INT4,
		PG_INT4,        PG_INT8,        PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ,
		PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_INT8, PG_INT8,        PG_INT4,        PG_INT8,
		PG_TEXT,        PG_TEXT,        PG_TEXT, PG_INT4,        PG_BYTEA,       PG_INT4,
		PG_TEXT,        PG_BYTEA,       PG_TEXT, PG_TEXT,        PG_TEXT,        PG_INT8,
		PG_INT8,        PG_TEXT,        PG_TEXT, PG_INT8,
	};
	struct merge m = {0};
	struct records r = {0};
	struct field f[40];
	Millrace__Queued q = MILLRACE__QUEUED__INIT;
	Millrace__Header h = MILLRACE__HEADER__INIT;
	Millrace__Header *headers[] = {&h};
	q.id = (char *)(uintptr_t) "t";
	q.state = MILLRACE__STATE__STATE_QUEUED;
	q.submitted_at = INT64_C(946684800000001000); /* a microsecond into 2000 */
	h.name = (char *)(uintptr_t) "X-\"Y\"";
	h.value = (char *)(uintptr_t) "a\\b\n";
	q.headers = headers;
	q.n_headers = 1;
	merge_queued(&m, &q, 1);
	records_start(&r, 7000);
	records_add_task(&r, m.tasks);
	assert_int_equal(read_row(&r, 7000, f, ARRAY_LEN(f)), ARRAY_LEN(types));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		assert_int_equal(f[i].type, types[i]);
	}
	assert_int_equal(f[1].len, 0);  /* no type is the empty one, not null */
	assert_int_equal(f[2].len, -1); /* no lane is null */
	assert_int_equal(f[9].len, 8);
	assert_memory_equal(f[9].data, "\0\0\0\0\0\0\0\1", 8);
	assert_int_equal(f[13].len, -1);
	static const char json[] = "{\"X-\\\"Y\\\"\":\"a\\\\b\\u000a\"}";
	assert_int_equal(f[20].len, strlen(json));
	assert_memory_equal(f[20].data, json, strlen(json));
	assert_int_equal(f[22].len, 0);  /* an empty body is there … */
	assert_int_equal(f[25].len, -1); /* … and a result is not */
	records_release(&r);
	merge_release(&m);
}

static void a_body_that_was_not_kept_is_null(void **state)
{
	(void)state;
	struct merge m = {0};
	struct records r = {0};
	struct field f[40];
	Millrace__Queued q = MILLRACE__QUEUED__INIT;
	q.id = (char *)(uintptr_t) "t";
	q.state = MILLRACE__STATE__STATE_QUEUED;
	q.body_bytes = 5000000;
	merge_queued(&m, &q, 1);
	records_start(&r, 7000);
	records_add_task(&r, m.tasks);
	read_row(&r, 7000, f, ARRAY_LEN(f));
	assert_int_equal(f[22].len, -1);
	records_release(&r);
	merge_release(&m);
}

static void text_is_mended_and_cut_and_numbers_are_capped(void **state)
{
	(void)state;
	char node[600], error[20000];
	memset(node, 'n', sizeof(node));
	node[255] = '\xc3'; /* ä across the limit */
	node[256] = '\xa4';
	node[599] = '\0';
	memset(error, 'e', sizeof(error));
	error[0] = '\xff';
	error[sizeof(error) - 1] = '\0';
	struct records r = {0};
	struct field f[40];
	records_start(&r, 9);
	records_add_attempt(&r, &(struct merge_attempt){
								.task_id = "t",
								.attempt = UINT32_MAX,
								.epoch = UINT64_MAX,
								.outcome = "failed",
								.node = node,
								.error = error,
								.started_wall_ns = 1,
							});
	assert_int_equal(read_row(&r, 9, f, ARRAY_LEN(f)), 10);
	assert_memory_equal(f[1].data, "\x7f\xff\xff\xff", 4);
	assert_memory_equal(f[2].data, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_int_equal(f[4].len, 255);
	assert_int_equal(f[7].len, ERROR_MAX_BYTES - 1 + 3);
	assert_memory_equal(f[7].data, "\xef\xbf\xbd", 3); /* U+FFFD */
	assert_int_equal(f[8].len, 8);
	assert_int_equal(f[9].len, -1);
	records_release(&r);
}

static void text_is_cut_between_characters(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t max, expected;
	} rows[] = {{"abc", 5, 3},       {"abc", 3, 3},       {"abc", 2, 2},
				{"a\xc3\xa4", 2, 1}, {"a\xc3\xa4", 3, 3}, {"\xf0\x9f\x98\x80", 3, 0},
				{"", 0, 0},          {"abc", 0, 0}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(text_cut(rows[i].text, rows[i].max), rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_array_has_no_dimension),
		cmocka_unit_test(a_task_has_the_columns_of_its_type),
		cmocka_unit_test(a_body_that_was_not_kept_is_null),
		cmocka_unit_test(text_is_mended_and_cut_and_numbers_are_capped),
		cmocka_unit_test(text_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
