/* pg values: arrays in the binary form that array_recv reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/pg.h"

static void assert_bytes(struct pg_param p, unsigned type, const char *bytes, size_t len)
{
	assert_int_equal(p.type, type);
	assert_true(p.binary);
	assert_int_equal(p.len, len);
	assert_memory_equal(p.data, bytes, len);
}
#define ASSERT_BYTES(p, type, literal) assert_bytes((p), (type), (literal), sizeof(literal) - 1)

static void an_empty_array_has_no_dimension(void **state)
{
	(void)state;
	struct pg_array a = {.type = PG_INT8};
	ASSERT_BYTES(pg_array_param(&a), 1016, "\0\0\0\0\0\0\0\0\0\0\0\x14");
	pg_array_int(&a, 1); /* and may still be filled */
	assert_int_equal(pg_array_param(&a).len, 32);
	pg_array_release(&a);
}

static void numbers_have_the_width_of_their_type(void **state)
{
	(void)state;
	struct pg_array a = {.type = PG_INT2};
	pg_array_int(&a, -2);
	pg_array_null(&a);
	ASSERT_BYTES(pg_array_param(&a), 1005,
				 "\0\0\0\1\0\0\0\1\0\0\0\x15\0\0\0\2\0\0\0\1"
				 "\0\0\0\2\xff\xfe"
				 "\xff\xff\xff\xff");
	pg_array_release(&a);
	struct pg_array b = {.type = PG_BOOL};
	pg_array_int(&b, 5);
	ASSERT_BYTES(pg_array_param(&b), 1000,
				 "\0\0\0\1\0\0\0\0\0\0\0\x10\0\0\0\1\0\0\0\1"
				 "\0\0\0\1\1");
	pg_array_release(&b);
	struct pg_array f = {.type = PG_FLOAT8};
	pg_array_float(&f, -2.0);
	ASSERT_BYTES(pg_array_param(&f), 1022,
				 "\0\0\0\1\0\0\0\0\0\0\x02\xbd\0\0\0\1\0\0\0\1"
				 "\0\0\0\x08\xc0\0\0\0\0\0\0\0");
	pg_array_release(&f);
}

static void times_count_microseconds_since_2000(void **state)
{
	(void)state;
	struct pg_array a = {.type = PG_TIMESTAMPTZ};
	pg_array_time(&a, INT64_C(946684800000001999));
	pg_array_time(&a, 0);
	ASSERT_BYTES(pg_array_param(&a), 1185,
				 "\0\0\0\1\0\0\0\1\0\0\x04\xa0\0\0\0\2\0\0\0\1"
				 "\0\0\0\x08\0\0\0\0\0\0\0\1"
				 "\xff\xff\xff\xff");
	pg_array_release(&a);
}

static void no_text_is_null_but_no_bytes_are_empty(void **state)
{
	(void)state;
	struct pg_array a = {.type = PG_TEXT};
	pg_array_text(&a, "");
	pg_array_text(&a, "hi");
	ASSERT_BYTES(pg_array_param(&a), 1009,
				 "\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\2\0\0\0\1"
				 "\xff\xff\xff\xff"
				 "\0\0\0\2hi");
	pg_array_reset(&a);
	a.type = PG_BYTEA;
	pg_array_bytes(&a, NULL, 0);
	ASSERT_BYTES(pg_array_param(&a), 1001,
				 "\0\0\0\1\0\0\0\0\0\0\0\x11\0\0\0\1\0\0\0\1"
				 "\0\0\0\0");
	pg_array_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_array_has_no_dimension),
		cmocka_unit_test(numbers_have_the_width_of_their_type),
		cmocka_unit_test(times_count_microseconds_since_2000),
		cmocka_unit_test(no_text_is_null_but_no_bytes_are_empty),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
