/* Which nats-server is current. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/dev_broker.h"

static void version_is_read_from_what_the_server_prints(void **state)
{
	static const struct {
		const char *text;
		bool ok, current;
		struct broker_version v;
	} rows[] = {
		{"nats-server: v2.9.10\n", true, false, {2, 9, 10}},
		{"nats-server: v2.10.0", true, true, {2, 10, 0}},
		{"nats-server: v2.15.2\n", true, true, {2, 15, 2}},
		{"nats-server: v2.12.1-beta.3", true, true, {2, 12, 1}},
		{"nats-server: v1.4.1", true, false, {1, 4, 1}},
		{"nats-server: v3.0.0", true, true, {3, 0, 0}},
		{"nats-server: v2.15", false, false, {0}},
		{"bash: nats-server: command not found", false, false, {0}},
		{"", false, false, {0}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct broker_version v = {0};

		assert_int_equal(broker_version_parse(rows[i].text, &v), rows[i].ok);
		assert_memory_equal(&v, &rows[i].v, sizeof(v));
		assert_int_equal(broker_version_current(v), rows[i].current);
	}
}

static void argv_grows_and_is_freed(void **state)
{
	char **argv = argv_make("a", "b", NULL);

	(void)state;
	argv_add(&argv, "c");
	assert_string_equal(argv[0], "a");
	assert_string_equal(argv[2], "c");
	assert_null(argv[3]);
	argv_free(&argv);
	assert_null(argv);
	argv_free(&argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_is_read_from_what_the_server_prints),
		cmocka_unit_test(argv_grows_and_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
