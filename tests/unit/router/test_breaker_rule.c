/* The breaker's states as tables, and that what operators set is given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "router/breaker_rule.h"

#define NOW (INT64_C(1800000000) * NS_PER_S)
#define F "3fa94c1e02"

static const struct breaker_rule rule = {.failures = 20,
										 .window_ns = 60 * NS_PER_S,
										 .pause_ns = 10 * NS_PER_S,
										 .pause_max_ns = 60 * NS_PER_S,
										 .probes = 3};

static void failures_count_within_a_window(void **state UNUSED)
{
	struct breaker_count c = {0};

	breaker_add(&c, &rule, 4, 1000);
	assert_false(breaker_suspects(&c, &rule));
	breaker_add(&c, &rule, 1, 2000);
	assert_true(breaker_suspects(&c, &rule));
	assert_false(breaker_reached(&c, &rule));
	breaker_add(&c, &rule, 15, 61000);
	assert_true(breaker_reached(&c, &rule));
	breaker_add(&c, &rule, 1, 61001); /* the window is over */
	assert_int_equal(c.n, 1);
	for (int i = 0; i < 10; i++)
		breaker_add(&c, &rule, 0xffffffffu, 61002);
	assert_true(breaker_reached(&c, &rule));
	/* Turned off. */
	struct breaker_rule off = rule;
	off.failures = 0;
	assert_false(breaker_reached(&c, &off));
	assert_false(breaker_suspects(&c, &off));
	/* One failure is suspicious where one is enough. */
	off.failures = 1;
	c.n = 1;
	assert_true(breaker_suspects(&c, &off) && breaker_reached(&c, &off));
}

static void time_and_operators_move_it(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct breaker b;
		int64_t now_wall_ns;
		enum breaker_move move;
	} rows[] = {
		{"closed", {.state = BREAKER_CLOSED}, NOW, BREAKER_STAY},
		{"open",
		 {.state = BREAKER_OPEN, .paused = true, .until_wall_ns = NOW + 1},
		 NOW,
		 BREAKER_STAY},
		{"over",
		 {.state = BREAKER_OPEN, .paused = true, .until_wall_ns = NOW},
		 NOW,
		 BREAKER_TO_HALF},
		{"over, and tidied",
		 {.state = BREAKER_OPEN, .until_wall_ns = NOW - 1},
		 NOW,
		 BREAKER_TO_HALF},
		{"resumed", {.state = BREAKER_OPEN, .until_wall_ns = NOW + 1}, NOW, BREAKER_TO_CLOSED},
		{"without an end", {.state = BREAKER_OPEN, .paused = true}, NOW, BREAKER_TO_HALF},
		{"half", {.state = BREAKER_HALF, .at_wall_ns = NOW - 1}, NOW, BREAKER_STAY},
		{"quiet for long",
		 {.state = BREAKER_HALF, .at_wall_ns = NOW - 60 * NS_PER_S},
		 NOW,
		 BREAKER_TO_CLOSED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (breaker_next(&rows[i].b, &rule, rows[i].now_wall_ns) != rows[i].move)
			fail_msg("%s: another move", rows[i].what);
	}
}

static void pauses_grow_to_their_limit(void **state UNUSED)
{
	static const int64_t wanted_s[] = {10, 20, 40, 60, 60, 60};

	for (unsigned i = 0; i < ARRAY_LEN(wanted_s); i++)
		assert_int_equal(breaker_pause_ns(&rule, i + 1), wanted_s[i] * NS_PER_S);
	assert_int_equal(breaker_pause_ns(&rule, 4000000000u), 60 * NS_PER_S);
}

static struct breaker_trip trip(int64_t now_wall_ns)
{
	return (struct breaker_trip){F "-00ff", "backend\n7 is \xff down", 20, now_wall_ns};
}

static void it_opens_probes_and_closes(void **state UNUSED)
{
	json_t *s = json_object();
	struct breaker_trip t = trip(NOW);
	struct breaker b;

	assert_int_equal(breaker_open(s, &rule, &t), NOW + 10 * NS_PER_S);
	breaker_read(s, &b);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_true(b.paused);
	assert_string_equal(b.fingerprint, F);
	assert_int_equal(b.until_wall_ns, NOW + 10 * NS_PER_S);
	assert_int_equal(json_integer_value(json_object_get(s, "concurrency")), 3);
	assert_non_null(strstr(json_string_value(json_object_get(s, "reason")), "20 times " F));
	assert_non_null(strstr(json_string_value(json_object_get(s, "reason")), "backend 7 is"));

	breaker_half(s, NOW + 10 * NS_PER_S);
	breaker_read(s, &b);
	assert_int_equal(b.state, BREAKER_HALF);
	assert_false(b.paused);
	assert_int_equal(json_integer_value(json_object_get(s, "concurrency")), 3);

	/* Back: twice as long. */
	t = trip(NOW + 11 * NS_PER_S);
	assert_int_equal(breaker_open(s, &rule, &t), NOW + 31 * NS_PER_S);
	breaker_read(s, &b);
	assert_int_equal(b.trips, 2);
	breaker_half(s, NOW + 31 * NS_PER_S);
	/* Another failure meanwhile begins anew. */
	t.fingerprint = "0123456789";
	breaker_open(s, &rule, &t);
	breaker_read(s, &b);
	assert_int_equal(b.trips, 1);

	breaker_close(s, &rule);
	assert_int_equal(json_object_size(s), 0);
	json_decref(s);
}

static void what_operators_set_stays(void **state UNUSED)
{
	static const char *const before[] = {
		"{\"limit\":7}",
		"{\"concurrency\":50,\"rate_per_s\":2.5}",
		"{\"concurrency\":2}",
		"{\"paused\":true,\"reason\":\"maintenance\"}",
		"{\"paused\":true,\"until\":\"2040-01-01T00:00:00Z\",\"unknown\":[1]}",
	};

	for (size_t i = 0; i < ARRAY_LEN(before); i++) {
		json_t *s = json_loads(before[i], 0, NULL), *original = json_deep_copy(s);
		for (int k = 0; k < 3; k++) {
			struct breaker_trip t = trip(NOW + k);
			breaker_open(s, &rule, &t);
			assert_true(json_is_true(json_object_get(s, "paused")));
			breaker_half(s, NOW + k);
			assert_int_equal(json_is_true(json_object_get(s, "paused")),
							 json_is_true(json_object_get(original, "paused")));
		}
		breaker_close(s, &rule);
		assert_true(json_equal(s, original));
		json_decref(s);
		json_decref(original);
	}
	/* Set while it was open: meant. */
	json_t *s = json_object();
	struct breaker_trip t = trip(NOW);
	breaker_open(s, &rule, &t);
	json_object_set_new(s, "concurrency", json_integer(9));
	breaker_close(s, &rule);
	assert_int_equal(json_integer_value(json_object_get(s, "concurrency")), 9);
	json_decref(s);
}

static void nonsense_is_closed(void **state UNUSED)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"breaker\":7}",
		"{\"breaker\":{}}",
		"{\"breaker\":{\"state\":\"open\"}}",
		"{\"breaker\":{\"state\":\"open\",\"fingerprint\":\"x\"}}",
		"{\"breaker\":{\"state\":5,\"fingerprint\":\"" F "\"}}",
		"{\"breaker\":{\"state\":\"ajar\",\"fingerprint\":\"" F "\"}}",
	};
	struct breaker b;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *s = json_loads(texts[i], 0, NULL);
		breaker_read(s, &b);
		assert_int_equal(b.state, BREAKER_CLOSED);
		json_decref(s);
	}
	breaker_read(NULL, &b);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_count_within_a_window),
		cmocka_unit_test(time_and_operators_move_it),
		cmocka_unit_test(pauses_grow_to_their_limit),
		cmocka_unit_test(it_opens_probes_and_closes),
		cmocka_unit_test(what_operators_set_stays),
		cmocka_unit_test(nonsense_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
