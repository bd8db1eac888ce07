#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/clock.h"
#include "gateway/tokens.h"

/* SHA-256 of "mlr_one" and "mlr_two" */
#define ONE "b7d4ee5eaa31ac5cd0e8bb1bd6f5fdcf1ca7dbb9d3f1ce3f8d2ea10d7d8fc9a9"

static int parse(const char *text, struct tokens *t, struct err *e)
{
	return tokens_parse("tokens", text, strlen(text), t, e);
}

static void lines_are_read(void **state)
{
	struct tokens t;
	struct err e = {0};
	char secret[TOKEN_SECRET_LEN + 1], line[256], other[TOKEN_SECRET_LEN + 1], more[256];
	CLEANUP(free_ptr) char *text = NULL;

	(void)state;
	assert_int_equal(token_make("laptop", SCOPE_OPERATE, 0, secret, line, &e), 0);
	assert_int_equal(token_make("ci", SCOPE_READ, 1800000000 * NS_PER_S, other, more, &e), 0);
	assert_int_equal(strlen(secret), TOKEN_SECRET_LEN);
	assert_string_not_equal(secret, other);
	assert_null(strstr(line, secret));
	text = xasprintf("# ours\n\n%s\r\n\t%s  # until 2027", line, more);
	assert_int_equal(parse(text, &t, &e), 0);
	assert_int_equal(t.n, 2);
	const struct token *one = tokens_find(&t, secret), *two = tokens_find(&t, other);
	assert_string_equal(one->name, "laptop");
	assert_int_equal(one->scope, SCOPE_OPERATE);
	assert_int_equal(one->expires_wall_ns, 0);
	assert_string_equal(two->name, "ci");
	assert_int_equal(two->expires_wall_ns, 1800000000 * NS_PER_S);
	assert_null(tokens_find(&t, ""));
	assert_null(tokens_find(&t, line));
	secret[10] ^= 1;
	assert_null(tokens_find(&t, secret));
	tokens_release(&t);
}

static void a_bad_line_is_named_with_its_remedy(void **state)
{
	static const struct {
		const char *text, *words;
	} bad[] = {
		{"a read", "tokens:1: a line is: name scope sha256"},
		{"\n\na read " ONE " x y", "tokens:3: a line is"},
		{"a b read " ONE, "tokens:1: scope: must be read, submit or operate, not \"b\""},
		{"a--b read " ONE, "tokens:1: name"},
		{"a READ " ONE, "not \"READ\""},
		{"a read deadbeef", "64 hex digits; millrace-gateway --new-token a"},
		{"a read " ONE "0", "64 hex digits"},
		{"a read g7d4ee5eaa31ac5cd0e8bb1bd6f5fdcf1ca7dbb9d3f1ce3f8d2ea10d7d8fc9a9", "64 hex"},
		{"a read " ONE " until=2027", "expires=TIME"},
		{"a read " ONE " expires=tomorrow", "tokens:1: expires"},
		{"a read " ONE "\nb read " ONE "\na submit " ONE, "tokens:3: the name a is there twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tokens t = {0};
		struct err e = {0};

		assert_int_equal(parse(bad[i].text, &t, &e), ERR_INVALID);
		if (!strstr(e.text, bad[i].words))
			fail_msg("%s: %s", bad[i].text, e.text);
		assert_null(t.at);
	}
	struct tokens t = {0};
	struct err e = {0};
	char with_nul[] = "a read " ONE;

	with_nul[3] = '\0';
	assert_int_equal(tokens_parse("tokens", with_nul, sizeof(with_nul) - 1, &t, &e), ERR_INVALID);
}

static void there_are_so_many_at_most(void **state)
{
	CLEANUP(buf_release) struct buf text = {0};
	struct tokens t = {0};
	struct err e = {0};

	(void)state;
	for (unsigned i = 0; i < TOKENS_MAX; i++)
		buf_printf(&text, "t%u read " ONE "\n", i);
	assert_int_equal(parse(text.data, &t, &e), 0);
	tokens_release(&t);
	buf_add_str(&text, "more read " ONE "\n");
	assert_int_equal(parse(text.data, &t, &e), ERR_TOO_LARGE);
}

static void only_bearer_is_a_token(void **state)
{
	(void)state;
	assert_string_equal(bearer_of("Bearer abc"), "abc");
	assert_string_equal(bearer_of("bEARER   abc"), "abc");
	assert_null(bearer_of("Basic abc"));
	assert_null(bearer_of("Bearerabc"));
	assert_null(bearer_of(""));
}

static void names_are_tokens_of_the_system(void **state)
{
	char secret[TOKEN_SECRET_LEN + 1], line[256];
	struct err e = {0};

	(void)state;
	assert_int_equal(token_make("a b", SCOPE_READ, 0, secret, line, &e), ERR_INVALID);
	assert_int_equal(token_make("a\nb operate", SCOPE_READ, 0, secret, line, &e), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(a_bad_line_is_named_with_its_remedy),
		cmocka_unit_test(there_are_so_many_at_most),
		cmocka_unit_test(only_bearer_is_a_token),
		cmocka_unit_test(names_are_tokens_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
