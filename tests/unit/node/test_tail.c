/* The last lines of a program's stderr, as one line that fits a header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/handlers/tail.h"

static void lines_become_one_clean_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *line;
	} t[] = {
		{"", ""},
		{"\n \n", ""},
		{"one\n", "one"},
		{"one\ntwo", "one; two"},
		{"  one \r\n\n\ttwo\tthree\n", "one; two three"},
		{"a\x01z\x7f", "a?z?"},
		{"caf\xc3\xa9 \xc3 \xff", "caf\xc3\xa9 ? ?"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "3; 4; 5; 6; 7; 8; 9; 10"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct tail tail = {0};
		char line[TAIL_LINE_MAX];
		tail_add(&tail, t[i].text, strlen(t[i].text));
		tail_line(&tail, line, sizeof line);
		assert_string_equal(line, t[i].line);
	}
}

static void only_the_end_is_kept(void **state)
{
	(void)state;
	static struct tail tail;
	char line[TAIL_LINE_MAX], small[8];
	for (int i = 0; i < 100000; i++) {
		tail_add(&tail, "noise noise noise\n", 18);
	}
	tail_add(&tail, "the end\n", 8);
	assert_int_equal(tail.len, TAIL_BYTES);
	tail_line(&tail, line, sizeof line);
	assert_string_equal(line + strlen(line) - 7, "the end");
	tail_line(&tail, small, sizeof small);
	assert_string_equal(small, "noise n");
}

static void a_cut_never_splits_a_character(void **state)
{
	(void)state;
	char out[5];
	line_clean("abc\xc3\xa9", 5, out, sizeof out);
	assert_string_equal(out, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_become_one_clean_line),
		cmocka_unit_test(only_the_end_is_kept),
		cmocka_unit_test(a_cut_never_splits_a_character),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
