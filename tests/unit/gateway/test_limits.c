#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/limits.h"

static void a_burst_then_the_rate(void **state)
{
	struct limits l = {.rate_per_s = 10, .burst = 3};
	int64_t wait_ms = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(limits_take(&l, "a", 1000, &wait_ms));
	assert_false(limits_take(&l, "a", 1000, &wait_ms));
	assert_in_range(wait_ms, 100, 102);
	assert_true(limits_take(&l, "b", 1000, &wait_ms)); /* another's is its own */
	assert_false(limits_take(&l, "a", 1099, &wait_ms));
	assert_true(limits_take(&l, "a", 1101, &wait_ms));
	assert_false(limits_take(&l, "a", 1101, &wait_ms));
	/* However long nobody asks, a burst is what there is. */
	for (int i = 0; i < 3; i++)
		assert_true(limits_take(&l, "a", 1000000, &wait_ms));
	assert_false(limits_take(&l, "a", 1000000, &wait_ms));
	limits_release(&l);
}

static void over_a_minute_it_is_the_rate(void **state)
{
	struct limits l = {.rate_per_s = 7, .burst = 1};
	int64_t wait_ms;
	int taken = 0;

	(void)state;
	for (int64_t now = 0; now < 60000; now++)
		taken += limits_take(&l, "a", now, &wait_ms);
	assert_in_range(taken, 7 * 60 - 2, 7 * 60 + 2);
	limits_release(&l);
}

static void no_rate_is_no_limit_and_no_memory(void **state)
{
	struct limits l = {.burst = 1};
	int64_t wait_ms;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(limits_take(&l, "a", 0, &wait_ms));
	assert_null(l.table);
}

static void the_table_is_bounded_and_forgets_the_oldest(void **state)
{
	struct limits l = {.rate_per_s = 1, .burst = 1};
	char key[LIMITS_KEY_MAX];
	int64_t wait_ms;

	(void)state;
	assert_true(limits_take(&l, "busy", 0, &wait_ms));
	for (unsigned i = 0; i < LIMITS_MAX + 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_true(limits_take(&l, key, 1, &wait_ms));
		if (i % 1000 == 0)
			assert_false(
				limits_take(&l, "busy", 1, &wait_ms)); /* who goes on asking is not forgotten */
	}
	assert_true(limits_take(&l, "k0", 1, &wait_ms)); /* forgotten */
	snprintf(key, sizeof(key), "k%u", LIMITS_MAX + 999);
	assert_false(limits_take(&l, key, 1, &wait_ms)); /* not forgotten */
	limits_release(&l);
}

static void whose_an_address_is(void **state)
{
	static const struct {
		const char *address, *key;
	} is[] = {
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::9", "2001:db8:1:2::/64"},
		{"::1", "::/64"},
		{"", ""},
	};
	char key[LIMITS_KEY_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(is); i++) {
		limits_key_of(is[i].address, key);
		assert_string_equal(key, is[i].key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_then_the_rate),
		cmocka_unit_test(over_a_minute_it_is_the_rate),
		cmocka_unit_test(no_rate_is_no_limit_and_no_memory),
		cmocka_unit_test(the_table_is_bounded_and_forgets_the_oldest),
		cmocka_unit_test(whose_an_address_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
