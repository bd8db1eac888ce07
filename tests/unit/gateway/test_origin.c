#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/cors.h"
#include "gateway/http_listen.h"
#include "gateway/origin.h"

static void a_host_is_ours_or_a_strangers(void **state)
{
	static const char *const ours[] = {"localhost",  "LOCALHOST:8080", "app.localhost:1",
									   "127.0.0.1",  "127.9.9.9:8080", "[::1]",
									   "[::1]:8080", "gate.example",   "Gate.Example:80",
									   "localhost.", "10.0.0.7:8080",  "second.example"};
	static const char *const not_ours[] = {"evil.example",
										   "127.0.0.1.evil.example",
										   "localhost.evil.example",
										   "notlocalhost",
										   "128.0.0.1",
										   "",
										   "[::1",
										   "[::2]",
										   "::1:8080",
										   "0.0.0.0",
										   ".localhost",
										   "gate.example.evil.example",
										   "2130706433",
										   "[::ffff:10.0.0.1]",
										   "gate",
										   "10.0.0.8"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (!origin_host_ok(ours[i], "10.0.0.7:8080", "gate.example, second.example"))
			fail_msg("%s", ours[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(not_ours); i++) {
		if (origin_host_ok(not_ours[i], "10.0.0.7:8080", "gate.example, second.example"))
			fail_msg("%s", not_ours[i]);
	}
	assert_false(origin_host_ok("evil.example", ":8080", NULL));
}

static void an_origin_is_this_host_or_listed(void **state)
{
	(void)state;
	assert_true(origin_is_host("http://localhost:8080", "localhost:8080"));
	assert_true(origin_is_host("https://LOCALHOST", "localhost"));
	assert_false(origin_is_host("http://localhost:3000", "localhost:8080"));
	assert_false(origin_is_host("null", "localhost"));
	assert_false(origin_is_host("http://", ""));
	assert_false(origin_is_host("ftp://localhost", "localhost"));
	assert_false(origin_is_host("http://localhost:8080.evil.example", "localhost:8080"));
	assert_true(cors_allows("https://b.example, https://a.example", "https://a.example"));
	assert_false(cors_allows("https://a.example.evil", "https://a.example"));
	assert_false(cors_allows(NULL, "https://a.example"));
	assert_false(cors_allows("https://a.example", ""));
}

static void who_can_reach_an_address(void **state)
{
	static const struct {
		const char *address;
		int rc;
		bool loopback;
	} is[] = {
		{"127.0.0.1:0", 0, true},
		{"127.8.0.1:80", 0, true},
		{"[::1]:8080", 0, true},
		{"0.0.0.0:8080", 0, false},
		{":8080", 0, false},
		{"[::]:8080", 0, false},
		{"192.0.2.1:80", 0, false},
		{"localhost:80", 0, true},
		{"127.0.0.1", ERR_INVALID, false},
		{"127.0.0.1:", ERR_INVALID, false},
		{"127.0.0.1:65536", ERR_INVALID, false},
		{"127.0.0.1:8o", ERR_INVALID, false},
		{"", ERR_INVALID, false},
		{"[::ffff:127.0.0.1]:80", 0, true},
		{"[::ffff:10.0.0.1]:80", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(is); i++) {
		struct err e = {0};
		bool loopback = false;

		if (http_listen_is_loopback(is[i].address, &loopback, &e) != is[i].rc ||
			loopback != is[i].loopback)
			fail_msg("%s: %s", is[i].address, e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_ours_or_a_strangers),
		cmocka_unit_test(an_origin_is_this_host_or_listed),
		cmocka_unit_test(who_can_reach_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
