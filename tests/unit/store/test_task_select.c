/* task_select: filters become parameters, never SQL; a cursor continues where its page ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/err.h"
#include "store/task_select.h"

static char *words(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void filters_are_parameters(void **state)
{
	(void)state;
	Millrace__TaskList l = MILLRACE__TASK_LIST__INIT;
	Millrace__State open[] = {MILLRACE__STATE__STATE_QUEUED, MILLRACE__STATE__STATE_RUNNING};
	l.type = words("x'; DROP TABLE millrace.tasks; --");
	l.node = words("n1");
	l.states = open;
	l.n_states = 2;
	l.after_at = 1;
	l.before_at = 2;
	l.limit = 7;
	struct task_select s = {0};
	struct err e;
	assert_int_equal(task_select_page(&s, &l, 1 << 20, &e), 0);
	assert_null(strstr(s.sql.data, "DROP"));
	assert_non_null(strstr(s.sql.data, "state < 4 AND state = ANY($1)"));
	assert_non_null(strstr(s.sql.data, "type = $2::text"));
	assert_non_null(strstr(s.sql.data, "node = $3::text"));
	assert_non_null(strstr(s.sql.data, "NULL::bytea"));
	assert_non_null(strstr(s.sql.data, "LIMIT 8")); /* one more tells of a next page */
	assert_int_equal(s.nparams, 6);
	assert_string_equal(s.params[1].data, l.type);
	assert_int_equal(s.limit, 7);
	task_select_release(&s);
}

static void final_states_do_not_ask_for_the_index_of_open_ones(void **state)
{
	(void)state;
	Millrace__TaskList l = MILLRACE__TASK_LIST__INIT;
	Millrace__State some[] = {MILLRACE__STATE__STATE_QUEUED, MILLRACE__STATE__STATE_DEAD};
	l.states = some;
	l.n_states = 2;
	struct task_select s = {0};
	assert_int_equal(task_select_page(&s, &l, 1 << 20, NULL), 0);
	assert_null(strstr(s.sql.data, "state < 4"));
	assert_int_equal(s.limit, TASK_LIST_DEFAULT);
	task_select_release(&s);
}

static void a_cursor_leads_on(void **state)
{
	(void)state;
	struct task_select s = {0};
	Millrace__Task last = MILLRACE__TASK__INIT;
	Millrace__TaskList l = MILLRACE__TASK_LIST__INIT;
	last.id = words("a_b-1.2");
	last.submitted_at = INT64_C(1767225600123456789);
	l.cursor = task_cursor(&last, &s.arena);
	assert_string_equal(l.cursor, "1767225600123456_a_b-1.2");
	assert_int_equal(task_select_page(&s, &l, 1 << 20, NULL), 0);
	assert_non_null(strstr(s.sql.data, "(submitted_at, id) < ($1::timestamptz, $2::text)"));
	assert_string_equal(s.params[0].data, "2026-01-01T00:00:00.123456Z");
	assert_string_equal(s.params[1].data, "a_b-1.2");
	task_select_release(&s);
}

static void wrong_requests_name_their_field(void **state)
{
	(void)state;
	static const struct {
		const char *cursor;
		uint32_t limit;
		int task_state;
		const char *field;
	} rows[] = {
		{"", 1001, 4, "limit"},
		{"", 1, 7, "states"},
		{"", 1, -1, "states"},
		{"", 1, 0, "states"},
		{"x", 1, 4, "cursor"},
		{"12", 1, 4, "cursor"},
		{"12_", 1, 4, "cursor"},
		{"12_a b", 1, 4, "cursor"},
		{"-1_a", 1, 4, "cursor"},
		{"99999999999999999999_a", 1, 4, "cursor"},
		{"9223372036854775807_a", 1, 4, "cursor"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Millrace__TaskList l = MILLRACE__TASK_LIST__INIT;
		Millrace__State one = (Millrace__State)rows[i].task_state;
		struct task_select s = {0};
		struct err e = {0};
		l.cursor = words(rows[i].cursor);
		l.limit = rows[i].limit;
		l.states = &one;
		l.n_states = 1;
		assert_int_equal(task_select_page(&s, &l, 1 << 20, &e), ERR_INVALID);
		assert_ptr_equal(strstr(e.text, rows[i].field), e.text);
		task_select_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_are_parameters),
		cmocka_unit_test(final_states_do_not_ask_for_the_index_of_open_ones),
		cmocka_unit_test(a_cursor_leads_on),
		cmocka_unit_test(wrong_requests_name_their_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
