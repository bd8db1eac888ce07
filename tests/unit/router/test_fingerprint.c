/* Which failures are the same: the rules of folding as tables, and what must never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/fingerprint.h"

static void what_changes_is_folded(void **state UNUSED)
{
	static const struct {
		const char *error, *normalised;
	} rows[] = {
		{"", ""},
		{"   ", ""},
		{"no good", "no good"},
		{"No  Good\t\n ", "no good"},
		{"a\x01\x02 b\x7f", "a b"},
		{"HTTP 503", "http <n>"},
		{"took 12.5ms of 3s", "took <n>ms of <n>s"},
		{"10.0.0.17:4222: connection refused", "<n>: connection refused"},
		{"[::1]:80 refused", "[::<n>]:<n> refused"},
		{"at 2026-11-21T12:00:00Z", "at <n>-<n>-<n>t<n>z"},
		{"exit status 1", "exit status <n>"},
		{"-5 is negative", "-<n> is negative"},
		{"task 3f2504e0-4f89-11d3-9a0c-0305e82c3301 failed", "task <id> failed"},
		{"3F2504E0-4F89-11D3-9A0C-0305E82C3301.", "<id>."},
		{"segfault at 0x7ffd12ab (ip 0xDEADBEEF)", "segfault at <id> (ip <id>)"},
		{"commit deadbeef1", "commit <id>"},
		{"deadbeef facade", "deadbeef facade"},
		{"12345678", "<n>"},
		{"order-42", "order-<n>"},
		{"order-a7f9c2d1", "<id>"},
		{"id 01hqz8m2x7k9v3", "id <id>"},
		{"utf8 and base64", "utf<n> and base<n>"},
		{"open /var/tmp/x.12/y: No such file or directory",
		 "open <path>: no such file or directory"},
		{"open ./a", "open <path>"},
		{"open ../a", "open <path>"},
		{"open ~/a", "open <path>"},
		{"open C:\\Temp\\x.txt", "open <path>"},
		{"src/lib/run.c:123: assertion", "<path>: assertion"},
		{"and/or", "and/or"},
		{"I/O error", "i/o error"},
		{"/ is full", "/ is full"},
		{"GET https://api.example.com/v1/x?id=7 failed", "get <url>=<n> failed"},
		{"no column 'price'", "no column <q>"},
		{"no column \"a b\" in `t`", "no column <q> in <q>"},
		{"can't open 'x'", "can't open <q>"},
		{"it's John's 'file'", "it's john's <q>"},
		{"an 'open end", "an 'open end"},
		{"KeyError: 'user_17'", "keyerror: <q>"},
		{"x=5;y=6", "x=<n>;y=<n>"},
		{"{\"code\":17}", "{<q>:<n>}"},
		{"\xc3\xa4rger 7", "\xc3\xa4rger <n>"},
		{"\xff\xfe 7", "\xff\xfe <n>"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf out = {0};
		fingerprint_normalise(rows[i].error, strlen(rows[i].error), &out);
		if (!str_eq(out.data ? out.data : "", rows[i].normalised))
			fail_msg("\"%s\" became \"%s\", not \"%s\"", rows[i].error, out.data,
					 rows[i].normalised);
	}
}

static void same_failures_share_a_fingerprint(void **state UNUSED)
{
	static const struct {
		const char *type, *a, *b;
		bool same;
	} rows[] = {
		{"x", "row 1 of 10", "row 9999999 of 12", true},
		{"x", "user 'ann' unknown", "user 'bob marley' unknown", true},
		{"x", "open /a/b: denied", "open /tmp/q.12345: denied", true},
		{"x", "Timeout after 3s", "timeout  after 30s", true},
		{"x", "timeout after 3s", "refused after 3s", false},
		{"x", "disk full", "disk fuller", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char a[FINGERPRINT_MAX + 1], b[FINGERPRINT_MAX + 1];
		fingerprint_make(rows[i].type, rows[i].a, NULL, a);
		fingerprint_make(rows[i].type, rows[i].b, NULL, b);
		if (str_eq(a, b) != rows[i].same)
			fail_msg("\"%s\" is %s and \"%s\" is %s", rows[i].a, a, rows[i].b, b);
	}
}

static void type_and_version_tell_failures_apart(void **state UNUSED)
{
	char plain[FINGERPRINT_MAX + 1], other[FINGERPRINT_MAX + 1], one[FINGERPRINT_MAX + 1],
		two[FINGERPRINT_MAX + 1];

	fingerprint_make("echo", "no good", NULL, plain);
	fingerprint_make("stats", "no good", "", other);
	assert_string_not_equal(plain, other);
	fingerprint_make("echo", "no good", "1.0", one);
	fingerprint_make("echo", "no good", "1.1", two);
	assert_string_not_equal(one, two);
	/* Of any version: the failure's own part. */
	assert_true(fingerprint_matches(one, plain));
	assert_true(fingerprint_matches(two, plain));
	assert_true(fingerprint_matches(plain, plain));
	assert_true(fingerprint_matches(one, one));
	assert_false(fingerprint_matches(two, one));
	assert_false(fingerprint_matches(plain, one));
	assert_false(fingerprint_matches(one, ""));
	assert_false(fingerprint_matches(one, "3f"));
}

/* printf 'echo\nno good' | sha256sum: these stand in people's scripts and in months of letters. */
static void fingerprints_never_change(void **state UNUSED)
{
	char out[FINGERPRINT_MAX + 1];

	fingerprint_make("echo", "no good", NULL, out);
	assert_string_equal(out, "8102f588c4");
	fingerprint_make("echo", "no good", "2.0", out);
	assert_string_equal(out, "8102f588c4-d84b");
}

static void hostile_errors_are_bounded(void **state UNUSED)
{
	size_t len = (size_t)1 << 20;
	char *big = xmalloc(len + 1), out[FINGERPRINT_MAX + 1], again[FINGERPRINT_MAX + 1];

	for (int seed = 0; seed < 4; seed++) {
		uint32_t v = (uint32_t)seed * 2654435761u + 1;
		for (size_t i = 0; i < len; i++) {
			v = v * 1664525u + 1013904223u;
			/* all bytes; quotes; digits; one letter */
			big[i] = seed == 0   ? (char)(v >> 24 ? v >> 24 : 1)
					 : seed == 1 ? '\''
					 : seed == 2 ? '7'
								 : 'x';
		}
		big[len] = '\0';
		CLEANUP(buf_release) struct buf text = {0};
		fingerprint_normalise(big, len, &text);
		assert_in_range(text.len, 1, 200);
		fingerprint_make("x", big, NULL, out);
		assert_true(fingerprint_ok(out));
		big[5000] = '!'; /* beyond what is looked at */
		fingerprint_make("x", big, NULL, again);
		assert_string_equal(out, again);
	}
	free(big);
}

static void only_fingerprints_are_fingerprints(void **state UNUSED)
{
	static const char *const good[] = {"0123456789", "abcdef0123", "abcdef0123-00ff"};
	static const char *const bad[] = {"",
									  "abc",
									  "ABCDEF0123",
									  "abcdef01234",
									  "abcdef0123-",
									  "abcdef0123-00f",
									  "abcdef0123-00ff0",
									  "abcdef0123 00ff",
									  "abcdefghij",
									  "abcdef012\n"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(fingerprint_ok(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(fingerprint_ok(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_is_folded),
		cmocka_unit_test(same_failures_share_a_fingerprint),
		cmocka_unit_test(type_and_version_tell_failures_apart),
		cmocka_unit_test(fingerprints_never_change),
		cmocka_unit_test(hostile_errors_are_bounded),
		cmocka_unit_test(only_fingerprints_are_fingerprints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
