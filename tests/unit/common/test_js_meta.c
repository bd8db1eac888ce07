/* The $JS.ACK reply: both forms are read, anything else is an error and not a guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/jetstream.h"

static void reads_the_plain_form(void **state)
{
	struct js_meta m;
	struct err e;

	(void)state;
	assert_int_equal(js_meta_parse("$JS.ACK.LANE_echo.normal.2.17.33.1700000000000000001.41", &m, &e), 0);
	assert_string_equal(m.stream, "LANE_echo");
	assert_string_equal(m.consumer, "normal");
	assert_int_equal(m.delivered, 2);
	assert_int_equal(m.stream_seq, 17);
	assert_int_equal(m.consumer_seq, 33);
	assert_true(m.stored_wall_ns == INT64_C(1700000000000000001));
	assert_int_equal(m.pending, 41);
}

static void reads_the_form_with_domain_and_account(void **state)
{
	static const char *const replies[] = {
	    "$JS.ACK.hub.ABCDEF.TASKS.router.1.5.6.7.8",
	    "$JS.ACK._.ABCDEF.TASKS.router.1.5.6.7.8.random",
	};
	struct js_meta m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
		assert_int_equal(js_meta_parse(replies[i], &m, &e), 0);
		assert_string_equal(m.stream, "TASKS");
		assert_string_equal(m.consumer, "router");
		assert_int_equal(m.delivered, 1);
		assert_int_equal(m.consumer_seq, 6);
		assert_int_equal(m.pending, 8);
	}
}

static void refuses_what_is_no_such_reply(void **state)
{
	static const char *const bad[] = {
	    "", "_INBOX.abc.1", "$JS.ACK.", "$JS.ACK.a.b.1.2.3.4", "$JS.ACK.a.b.1.2.3.4.5.6",
	    "$JS.ACK.a.b.x.2.3.4.5", "$JS.ACK.a.b.1..3.4.5", "$JS.ACK.a.b.c.d.e.f.1.2.3.4.5.6.7.8.9.10",
	};
	struct js_meta m;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(js_meta_parse(bad[i], &m, &e), ERR_PROTOCOL);
	assert_int_equal(js_meta_parse(NULL, &m, &e), ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_plain_form),
	    cmocka_unit_test(reads_the_form_with_domain_and_account),
	    cmocka_unit_test(refuses_what_is_no_such_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
