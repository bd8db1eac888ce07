#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "gateway/http.h"
#include "gateway/recent.h"

static void the_field_that_a_sentence_names(void **state UNUSED)
{
	static const struct {
		const char *sentence, *field;
	} rows[] = {
		{"\"priority\" must be a string, not a list", "priority"},
		{"\"timeout\": \"x\" is no duration", "timeout"},
		{"header Task-Timeout: \"x\" is no duration", "Task-Timeout"},
		{"limit: must be a number", "limit"},
		{"type holds a space", "type"},
		{"required capability holds a space", "required"},
		{"name is empty", "name"},
		{"it is no valid JSON: line 1", ""},
		{"the body is over the limit: 7", ""},
		{"no such task is stored", ""},
		{"", ""},
		{"\"", ""},
		{"\"two words\" are none", ""},
		{"http://x: no field", "http"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char field[65];

		http_field_of(rows[i].sentence, field);
		if (!str_eq(field, rows[i].field))
			fail_msg("%s: \"%s\"", rows[i].sentence, field);
	}
}

static void the_last_submits_are_known(void **state UNUSED)
{
	struct recent r = {0};
	char id[16];

	assert_null(recent_find(&r, "0"));
	for (unsigned i = 0; i < RECENT_MAX + 10; i++) {
		snprintf(id, sizeof(id), "%u", i);
		recent_note(&r, id, "echo", "echo--gpu");
	}
	assert_null(recent_find(&r, "9")); /* too many came after it */
	assert_string_equal(recent_find(&r, "10")->lane, "echo--gpu");
	assert_string_equal(recent_find(&r, id)->type, "echo");
	assert_null(recent_find(&r, "x"));
	recent_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_field_that_a_sentence_names),
		cmocka_unit_test(the_last_submits_are_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
