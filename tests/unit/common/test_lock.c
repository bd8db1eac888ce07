/* Who has a lock, by what was last heard of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/lock.h"

static struct lock_view held(const char *owner, uint64_t revision, uint64_t token, int64_t ttl_ms,
							 int64_t seen_ms)
{
	struct lock_view v = {.held = true, .revision = revision, .seen_mono_ms = seen_ms};
	v.value.token = token;
	v.value.ttl_ms = ttl_ms;
	snprintf(v.value.owner, sizeof(v.value.owner), "%s", owner);
	return v;
}

static void a_lock_is_its_holders_until_its_time_is_over(void **state)
{
	(void)state;
	struct lock_view v = held("a", 7, 0, 5000, 100000);
	static const struct {
		const char *owner;
		int64_t now_ms;
		enum lock_verdict verdict;
		int64_t left_ms;
	} rows[] = {
		{"b", 100000, LOCK_BUSY, 5000},  {"b", 104999, LOCK_BUSY, 1},
		{"b", 105000, LOCK_TAKE, 0},     {"b", 999999, LOCK_TAKE, 0},
		{"a", 100000, LOCK_AGAIN, 5000}, {"a", 105000, LOCK_TAKE, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(lock_judge(&v, rows[i].owner, rows[i].now_ms), rows[i].verdict);
		assert_int_equal(lock_left_ms(&v, rows[i].now_ms), rows[i].left_ms);
	}
	v.held = false;
	assert_int_equal(lock_judge(&v, "b", 100000), LOCK_TAKE);
}

static void a_token_is_the_first_puts_revision(void **state)
{
	(void)state;
	struct lock_view first = held("a", 7, 0, 5000, 0), renewed = held("a", 12, 7, 5000, 0);
	assert_int_equal(lock_token(&first), 7);
	assert_int_equal(lock_token(&renewed), 7);
}

static void a_value_reads_as_it_was_written(void **state)
{
	(void)state;
	struct lock_value v = {.token = 99, .ttl_ms = 30000}, back;
	CLEANUP(buf_release) struct buf text = {0};
	struct err e;
	snprintf(v.owner, sizeof(v.owner), "me \"quoted\"");
	lock_value_write(&v, &text);
	assert_int_equal(lock_value_read(text.data, text.len, &back, &e), 0);
	assert_string_equal(back.owner, v.owner);
	assert_int_equal(back.token, 99);
	assert_int_equal(back.ttl_ms, 30000);
	static const char *const bad[] = {"",
									  "x",
									  "[]",
									  "{}",
									  "{\"owner\":\"a\"}",
									  "{\"owner\":\"a\",\"ttl_ms\":0}",
									  "{\"owner\":\"a\",\"ttl_ms\":99999999}",
									  "{\"owner\":1,\"ttl_ms\":5000}"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(lock_value_read(bad[i], strlen(bad[i]), &back, &e), ERR_INVALID);
	}
}

static void names_are_keys(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool ok;
	} rows[] = {{"deploy", true}, {"a.b/c-d_9", true}, {"", false},       {".a", false},
				{"a.", false},    {"a..b", false},     {"a/", false},     {"a b", false},
				{"a*", false},    {">", false},        {"a\r\nb", false}, {"\xc3\xa4", false}};
	struct err e;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(lock_name_check(rows[i].name, &e) == 0, rows[i].ok);
	}
	int64_t ttl;
	assert_int_equal(lock_ttl_check(0, 7, &ttl, &e), 0);
	assert_int_equal(ttl, 7);
	assert_int_equal(lock_ttl_check(999, 7, &ttl, &e), ERR_INVALID);
	assert_int_equal(lock_ttl_check(300001, 7, &ttl, &e), ERR_INVALID);
	assert_int_equal(lock_owner_check("", &e), ERR_INVALID);
	assert_int_equal(lock_owner_check("a\nb", &e), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lock_is_its_holders_until_its_time_is_over),
		cmocka_unit_test(a_token_is_the_first_puts_revision),
		cmocka_unit_test(a_value_reads_as_it_was_written),
		cmocka_unit_test(names_are_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
