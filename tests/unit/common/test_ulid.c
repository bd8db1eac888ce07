/* ulid: ids that sort as they were made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/ulid.h"
#include "common/token.h"

static void known_time_and_bits_give_the_known_text(void **state)
{
	static const struct {
		int64_t ms;
		uint8_t random[10];
		const char *text;
	} rows[] = {
		{0, {0}, "00000000000000000000000000"},
		{1, {0}, "00000000010000000000000000"},
		{INT64_C(1469918176385), {0}, "01aryz6s410000000000000000"},
		{(INT64_C(1) << 48) - 1,
		 {255, 255, 255, 255, 255, 255, 255, 255, 255, 255},
		 "7zzzzzzzzzzzzzzzzzzzzzzzzz"},
		{0,
		 {0, 0, 0, 0, 1, 0, 0, 0, 0, 31},
		 "000000000000000001"
		 "0000000z"},
		{0, {0x80}, "0000000000g000000000000000"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[ULID_LEN + 1];
		ulid_make(rows[i].ms, rows[i].random, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void ids_of_one_process_grow_and_are_task_ids(void **state)
{
	char last[ULID_LEN + 1] = "";

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		char id[ULID_LEN + 1];
		ulid_new(id);
		assert_true(strcmp(id, last) > 0);
		assert_true(task_id_ok(id, strlen(id)));
		memcpy(last, id, sizeof(last));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_time_and_bits_give_the_known_text),
		cmocka_unit_test(ids_of_one_process_grow_and_are_task_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
