/* buf: grows, always ends in a NUL, hands its memory out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"

static void adding_byte_by_byte_keeps_all_and_the_nul(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = {0};
	for (int i = 0; i < 100000; i++) {
		char c = (char)(i * 7);
		buf_add(&b, &c, 1);
		assert_int_equal(b.data[b.len], 0);
	}
	assert_int_equal(b.len, 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], (char)(i * 7));
	assert_true(b.cap < 4 * b.len);
}

static void adding_nothing_still_gives_an_empty_string(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = {0};
	buf_add(&b, NULL, 0);
	assert_string_equal(b.data, "");
	assert_int_equal(b.len, 0);
}

static void printf_grows_to_what_it_needs(void **state)
{
	(void)state;
	/* At every fill level around the growth, so that the NUL has its place, too. */
	for (int fill = 0; fill < 140; fill++) {
		CLEANUP(buf_release) struct buf b = {0};
		buf_printf(&b, "%*s", fill, "");
		buf_printf(&b, "<%0*d>", 90, 5);
		assert_int_equal(b.len, (size_t)fill + 92);
		assert_int_equal(strlen(b.data), b.len);
		assert_int_equal(b.data[b.len - 1], '>');
	}
}

static void consume_drops_from_the_front(void **state)
{
	(void)state;
	static const struct {
		size_t n;
		const char *rest;
	} rows[] = {{0, "hello"}, {1, "ello"}, {4, "o"}, {5, ""}, {6, ""}, {SIZE_MAX, ""}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf b = {0};
		buf_add_str(&b, "hello");
		buf_consume(&b, rows[i].n);
		assert_string_equal(b.data, rows[i].rest);
		assert_int_equal(b.len, strlen(rows[i].rest));
	}
	struct buf empty = {0};
	buf_consume(&empty, 3);
	assert_int_equal(empty.len, 0);
}

static void reset_keeps_the_memory_release_does_not(void **state)
{
	(void)state;
	struct buf b = {0};
	buf_add_str(&b, "some");
	size_t cap = b.cap;
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, cap);
	assert_string_equal(b.data, "");
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_release(&b);
	buf_reset(&b);
}

static void take_hands_out_and_leaves_an_empty_one(void **state)
{
	(void)state;
	struct buf b = {0};
	buf_add_str(&b, "mine");
	CLEANUP(free_ptr) char *text = buf_take(&b);
	assert_string_equal(text, "mine");
	assert_null(b.data);
	CLEANUP(free_ptr) char *nothing = buf_take(&b);
	assert_string_equal(nothing, "");
}

static void copies_may_hold_a_nul(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = {0};
	buf_add(&b, "a\0b", 3);
	buf_add_str(&b, "c");
	assert_int_equal(b.len, 4);
	assert_memory_equal(b.data, "a\0bc", 5);
	CLEANUP(free_ptr) char *copy = xmemdup0(b.data, b.len);
	assert_memory_equal(copy, "a\0bc", 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_byte_by_byte_keeps_all_and_the_nul),
		cmocka_unit_test(adding_nothing_still_gives_an_empty_string),
		cmocka_unit_test(printf_grows_to_what_it_needs),
		cmocka_unit_test(consume_drops_from_the_front),
		cmocka_unit_test(reset_keeps_the_memory_release_does_not),
		cmocka_unit_test(take_hands_out_and_leaves_an_empty_one),
		cmocka_unit_test(copies_may_hold_a_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
