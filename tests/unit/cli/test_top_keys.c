/* top_keys: letters, and sequences that may come in parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/top_keys.h"

/* The keys that text makes, as their numbers. */
static size_t keys_of(const char *text, enum top_key *ret)
{
	struct top_keys k = {0};
	size_t n = 0;

	for (; *text; text++) {
		enum top_key key = top_key(&k, *text);
		if (key != KEY_NONE)
			ret[n++] = key;
	}
	return n;
}

static void keys_are_read(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		enum top_key keys[4];
	} rows[] = {
		{"q", 1, {KEY_QUIT}},
		{"\x03", 1, {KEY_QUIT}},
		{"lnd", 3, {KEY_LANES, KEY_NODES, KEY_DEAD}},
		{"sr ?", 4, {KEY_SORT, KEY_REVERSE, KEY_NOW, KEY_HELP}},
		{"\x0c", 1, {KEY_REDRAW}},
		{"\x1b[A\x1b[B", 2, {KEY_UP, KEY_DOWN}},
		{"\x1bOA\x1bOB", 2, {KEY_UP, KEY_DOWN}},
		{"\x1b[5~\x1b[6~", 2, {KEY_PAGE_UP, KEY_PAGE_DOWN}},
		{"\x1b[H\x1b[F\x1b[1~\x1b[4~", 4, {KEY_HOME, KEY_END, KEY_HOME, KEY_END}},
		{"\x1b[1;5Aq", 1, {KEY_QUIT}}, /* Ctrl and an arrow: passed over whole */
		{"\x1b[200;300;400;500qq",
		 1,
		 {KEY_QUIT}},              /* longer than any of ours; its last letter is no key */
		{"\x1bqx", 0, {KEY_NONE}}, /* Alt-q is not q */
		{"\x1b\x1b[A", 1, {KEY_UP}},
		{"xyz0\xc3\xa4", 0, {KEY_NONE}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum top_key keys[16];
		size_t n = keys_of(rows[i].text, keys);

		assert_int_equal(n, rows[i].n);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(keys[k], rows[i].keys[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(keys_are_read)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
