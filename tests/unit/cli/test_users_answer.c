/* users_answer: what counts as a result, as a refusal, as an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "cli/users_answer.h"
#include "common/clock.h"

static void answers_are_judged(void **state)
{
	static const struct {
		long status;
		const char *body, *retry_after;
		enum users_meaning meaning;
		const char *words; /* an error's; or a pending one's id */
		int64_t after_ms;
	} rows[] = {
		{200, "{\"id\":\"a1\",\"state\":\"completed\",\"result\":\"hello\"}", "", USERS_DONE, "",
		 0},
		{200, "{\"id\":\"a1\",\"state\":\"completed\",\"result\":\"hullo\"}", "", USERS_ERROR,
		 "task a1 has another one's result", 0},
		{200, "{\"id\":\"a1\",\"state\":\"completed\"}", "", USERS_ERROR,
		 "task a1 has another one's result", 0},
		{202, "{\"id\":\"a1\",\"state\":\"queued\"}", "", USERS_PENDING, "a1", 0},
		{200, "{\"id\":\"a1\",\"state\":\"running\"}", "", USERS_PENDING, "a1", 0},
		{200, "{\"id\":\"a1\",\"state\":\"dead\",\"error\":\"no memory\"}", "", USERS_ERROR,
		 "task a1 is dead: no memory", 0},
		{200, "{\"id\":\"a1\",\"state\":\"cancelled\"}", "", USERS_ERROR, "task a1 is cancelled",
		 0},
		{202, "{\"state\":\"queued\"}", "", USERS_ERROR, "202 without a task's id", 0},
		{200, "[]", "", USERS_ERROR, "200 with a body that is no JSON object", 0},
		{200, "", "", USERS_ERROR, "200 with a body that is no JSON object", 0},
		{429, "{}", "3", USERS_REFUSED, "", 3000},
		{503, "", "1", USERS_REFUSED, "", 1000},
		{503, "", "0", USERS_REFUSED, "", 0},
		{429, "{}", "", USERS_ERROR, "429 without Retry-After", 0},
		{500, "{\"detail\":\"it broke\"}", "", USERS_ERROR, "500: it broke", 0},
		{404, "no\xffthing", "", USERS_ERROR, "404: no\xef\xbf\xbdthing", 0},
		{413, "", "5", USERS_ERROR, "413", 0},
		{301, "", "", USERS_ERROR, "301", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct users_answer a = users_answer_read(
			rows[i].status, rows[i].body, strlen(rows[i].body), rows[i].retry_after, "hello", 0);

		assert_int_equal(a.meaning, rows[i].meaning);
		assert_int_equal(a.after_ns, rows[i].after_ms * NS_PER_MS);
		if (a.meaning == USERS_PENDING)
			assert_string_equal(a.id, rows[i].words);
		if (a.meaning == USERS_ERROR)
			assert_memory_equal(a.words, rows[i].words, strlen(rows[i].words));
	}
}

static void an_id_that_is_too_long_is_an_error(void **state)
{
	char body[400];

	(void)state;
	snprintf(body, sizeof(body), "{\"id\":\"%0200d\",\"state\":\"queued\"}", 7);
	struct users_answer a = users_answer_read(202, body, strlen(body), "", "x", 0);
	assert_int_equal(a.meaning, USERS_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_judged),
		cmocka_unit_test(an_id_that_is_too_long_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
