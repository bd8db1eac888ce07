/* err: a code and a sentence, wrapped on the way up, never longer than its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"

static void set_returns_the_code_and_keeps_the_sentence(void **state)
{
	(void)state;
	struct err e;
	assert_int_equal(err_set(&e, ERR_FULL, "%d of %d", 3, 3), ERR_FULL);
	assert_int_equal(e.code, ERR_FULL);
	assert_string_equal(e.text, "3 of 3");
	assert_int_equal(err_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

static void set_takes_the_old_sentence_as_an_argument(void **state)
{
	(void)state;
	struct err e;
	err_set(&e, ERR_IO, "inner");
	err_set(&e, ERR_FAILED, "outer, because of %s", e.text);
	assert_string_equal(e.text, "outer, because of inner");
}

static void wrap_puts_words_before_and_keeps_the_code(void **state)
{
	(void)state;
	struct err e;
	err_set(&e, ERR_TIMEOUT, "no answer");
	assert_int_equal(err_wrap(&e, "lane %s", "echo"), ERR_TIMEOUT);
	assert_int_equal(err_wrap(&e, "open"), ERR_TIMEOUT);
	assert_string_equal(e.text, "open: lane echo: no answer");
	assert_int_equal(err_wrap(NULL, "nobody"), ERR_FAILED);
}

static void too_long_a_sentence_is_cut_at_a_whole_character(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 3; shift++) {
		char text[1200] = "abc";
		size_t len = shift;
		while (len + 3 < sizeof(text)) {
			memcpy(text + len, "\342\202\254", 3); /* the euro sign */
			len += 3;
		}
		text[len] = '\0';
		struct err e;
		err_set(&e, ERR_FAILED, "%s", text);
		size_t end = strlen(e.text);
		assert_true(end < sizeof(e.text) && end > sizeof(e.text) - 8);
		assert_string_equal(e.text + end - 3, "...");
		assert_int_equal((end - 3 - shift) % 3, 0);
		err_wrap(&e, "again");
		assert_string_equal(e.text + strlen(e.text) - 3, "...");
		assert_memory_equal(e.text, "again: ", 7);
	}
}

static void every_code_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int code = ERR_FAILED; code <= ERR_OK; code++) {
		for (int other = ERR_FAILED; other < code; other++)
			assert_string_not_equal(err_name(code), err_name(other));
	}
	assert_string_equal(err_name(-4711), "failed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_the_code_and_keeps_the_sentence),
		cmocka_unit_test(set_takes_the_old_sentence_as_an_argument),
		cmocka_unit_test(wrap_puts_words_before_and_keeps_the_code),
		cmocka_unit_test(too_long_a_sentence_is_cut_at_a_whole_character),
		cmocka_unit_test(every_code_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
